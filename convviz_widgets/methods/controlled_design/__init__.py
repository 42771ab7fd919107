"""Networks whose design explains them: fixed bases, turned copies, filters made by hand, beside plain ones."""
