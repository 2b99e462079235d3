"""Synthetic digits: their skeletons, and how these are written and printed."""
