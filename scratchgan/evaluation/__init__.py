"""What a trained run's features and samples are worth: the paper's tables."""
