"""The way back down what a network did to one picture: a signal on a box of each map, operation by operation."""
