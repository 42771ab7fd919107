"""Exact answers to a picture of which only a window was changed: what the window cannot reach is not computed again."""
