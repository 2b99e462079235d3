"""Datasets that scratchgan draws itself: faces, bedrooms, digits."""
