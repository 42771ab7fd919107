"""The model handle: the only room that touches hooks, autograd rules, modes and devices."""
