"""Files that are written whole or not at all: HDF5, pictures, kept arrays."""
