"""Networks of our own and the one training loop."""
