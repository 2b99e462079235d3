"""Hand-written CUDA kernels, each behind a Python function.

A function does one thing that is bound by memory on a GPU, by a kernel or two of the
``.cu`` file beside its module; `launch` compiles the files and starts the kernels.
`products` has none: matrix products are left to cuBLAS. The functions of `products`,
`strips` and `arrays` run on NumPy's arrays, too, so that what is built of them can be
read and tested without a GPU. Those of the other modules want arrays on a GPU, and name
their definition in array operations, with which tests compare each kernel.

No file here imports a layer. Arrays have NCHW shapes and any order in memory.
"""
