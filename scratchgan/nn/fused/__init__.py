"""What makes a network of layers fast: several of them computed as one.

`block` chooses, `on_cpu` and `on_gpu` compute; each is defined by the layers that it
merges, one after another, and tested against them.
"""
