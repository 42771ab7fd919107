"""The DeconvNet family: what excites a unit, and the way back down to the image."""
