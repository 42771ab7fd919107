"""The saliency family: which pixels a score depends on, and how far such a map can be trusted."""
