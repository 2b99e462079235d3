"""De-duplication: images that a de-noising autoencoder gives the same code."""
