"""Networks that say what an image shows, so that experiments have numbers."""
