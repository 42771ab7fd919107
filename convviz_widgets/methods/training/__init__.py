"""What training does to a network: while it goes on, by its size, by its conditions, and when it is used elsewhere."""
