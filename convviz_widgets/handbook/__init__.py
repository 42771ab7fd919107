"""A page for each public name and one for each way to fail, made from the docstrings and the errors themselves."""
