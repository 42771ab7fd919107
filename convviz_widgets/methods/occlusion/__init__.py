"""The occlusion family: what the network answers when a part of the picture, or of itself, is missing."""
