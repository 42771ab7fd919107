"""The words of the house: addresses, boxes, knobs, steps and errors. Standard library only."""
