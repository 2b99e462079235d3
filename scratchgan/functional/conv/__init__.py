"""Convolution: its definition, and the faster ways to compute the same."""
