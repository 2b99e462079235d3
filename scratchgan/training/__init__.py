"""Training: one step, the loop around it, checkpoints, previews, the log."""
