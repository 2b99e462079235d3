"""What the paper does with data and with trained networks, beside training."""
