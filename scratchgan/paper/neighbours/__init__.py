"""Whether a generator draws its training images from memory."""
