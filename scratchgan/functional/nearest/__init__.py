"""Nearest neighbours by brute force, through matrix products: three searches.

`one.nearest` finds the single nearest on any device, as fast as the products are, to
the rounding of float32: 10,000 queries among 50,000 references and more.
`streamed.NearestVectors` finds the k nearest of any vectors, pixels or features, with
the digits of near pairs, which the product loses. `pixels.nearest_images` finds the k
nearest of whole-number pixels without any rounding, because ties decide a vote.

One search in place of the three would be slow where only speed counts, or rough where
equal distances have to be equal.
"""
