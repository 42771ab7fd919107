"""What a person touches: one .py beside its .js and .css for each widget."""
