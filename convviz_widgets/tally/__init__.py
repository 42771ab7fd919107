"""Counters that add, merge, save and resume, and the one pass over a dataset that feeds them."""
