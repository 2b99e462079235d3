"""The paper's experiments with data and with trained networks, beside training."""
