"""Array mathematics without state: the primitives that layers are made of."""
