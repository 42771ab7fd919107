"""Network inversion: what of a picture can be told again from a layer's answer to it."""
