"""Hand-written CUDA kernels, each behind a function that defines it in NumPy.

A function here does one thing that is bound by memory on a GPU. Its body is the
definition, in array operations that any reader can follow and any array can run; where
the arrays live on a GPU it starts instead the CUDA kernel of the same name, in the
``.cu`` file of the same name. Tests compare the two.

Nothing here knows of layers. Arrays have NCHW shapes and any order in memory.
"""
