"""How the drawings are made: paints, a canvas that labels what is drawn on it, scenes and objects."""
