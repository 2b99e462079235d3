"""Folders and archives alike: named files, read in place."""
