"""The techniques, one file each, in families."""
