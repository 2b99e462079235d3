"""What can be reached without a GAN: the baselines of the paper's tables."""
