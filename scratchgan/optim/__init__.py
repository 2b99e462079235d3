"""The optimiser, and the learning rate over time."""
