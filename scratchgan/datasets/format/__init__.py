"""The HDF5 file of a prepared dataset: its layout, reader, writer, checks."""
