"""Images and label maps in."""
