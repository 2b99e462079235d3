"""A conditional G as a training set for the nearest neighbour (section 8.1)."""
