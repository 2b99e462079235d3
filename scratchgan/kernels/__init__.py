"""Hand-written CUDA kernels, each behind a Python function.

A function here does one thing that is bound by memory on a GPU: it starts the kernel of
its name, in the ``.cu`` file beside it. Some run on any arrays, too, so that what is
built of them can be read and tested without a GPU (`products`, `strips`, `arrays`);
the others want theirs on a GPU, and name the place where their definition in array
operations is. Tests compare each kernel with that.

Nothing here knows of layers. Arrays have NCHW shapes and any order in memory.
"""
