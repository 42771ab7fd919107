"""The invariance family: what stays the same in a network while a picture is moved, or its parts are hidden."""
