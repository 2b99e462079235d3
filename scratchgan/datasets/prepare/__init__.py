"""From files of images to a prepared dataset."""
