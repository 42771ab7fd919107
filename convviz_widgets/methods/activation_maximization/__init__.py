"""Pictures that make a unit answer strongly: four axes, their recipes, and the climb."""
