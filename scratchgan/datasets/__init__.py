"""Datasets: the HDF5 format, how files become one, and batches for training."""
