"""Synthetic bedrooms: what is in a room, where it stands, and how it is rendered."""
