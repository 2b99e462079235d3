"""Minimal filtering: convolution with fewer multiplications."""
