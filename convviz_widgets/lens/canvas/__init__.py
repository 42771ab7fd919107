"""The picture while it is being made: as numbers that can be optimised, what it starts from, and what holds it back."""
