"""Synthetic faces: who is in a picture, and how it is drawn, a file for each part."""
