"""How one convolution is cut into tiles, and how its phases share matrix products.

At each pair of points (i, j), i of the rows and j of the columns, there is one product,
and what is taken to the points are its matrices (`minimal.tiles`, `minimal.weights`).
With n images in a chunk, C and O channels of images and outputs, and K as in `Plan`::

    data V (tiles·n, K)    weights U (K, O)    output gradients E (tiles·n, O)
"""

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

import numpy as np

from scratchgan.functional.conv.minimal.filters import AxisPlan, PhaseGroup, plan_axis
from scratchgan.functional.conv.shapes import Padding, Pair, conv_output_size

AtPoints = list[np.ndarray]
"""Matrices for all pairs of points, in the stacks (points, rows, columns) of a plan."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Both axes of one convolution, and how the phases of pixels share a product.

    At the points (i, j) the products sum over an axis K: over the row groups that have
    point i, the column groups that have point j, their phases, and the channels C. With
    5x5 kernels and stride 2 one phase has three taps and the other two, in rows and in
    columns. Only three taps have point -1, so by the taps of both groups K is::

        i and j among 0, 1, inf    (3, 3) (3, 2) (2, 3) (2, 2)    4C
        i = -1, j another          (3, 3) (3, 2)                  2C
        i = j = -1                 (3, 3)                         C

    Attributes
    ----------
    rows, columns : AxisPlan
        Tiles, phases and points of each axis.
    in_channels, out_channels : int
        C of the images and O of the outputs.
    kernel_size : (int, int)
    """

    rows: AxisPlan
    columns: AxisPlan
    in_channels: int
    out_channels: int
    kernel_size: Pair

    @property
    def points_shape(self) -> Pair:
        """Number of points in each axis."""
        return len(self.rows.points), len(self.columns.points)

    @property
    def tiles(self) -> int:
        """Tiles of one image."""
        return self.rows.tiles * self.columns.tiles

    @property
    def one_group(self) -> bool:
        """Whether all phases have the same number of taps."""
        return len(self.rows.groups) == len(self.columns.groups) == 1

    def summed(self, i: int, j: int) -> int:
        """Return K at points (i, j)."""
        return (
            self.rows.phases_at(self.rows.points[i])
            * self.columns.phases_at(self.columns.points[j])
            * self.in_channels
        )

    @property
    def weight_values(self) -> int:
        """Number of values of U, all its matrices together."""
        summed = sum(self.summed(i, j) for i, j in np.ndindex(self.points_shape))
        return summed * self.out_channels

    @cached_property
    def stacks(self) -> list[tuple[int, int, int, int]]:
        """Slices of the points (i to i', j to j') whose matrices make up one stack.

        With one group every pair of points has the same K: all matrices are one stack,
        and all products one NumPy call. Otherwise each is a stack of its own.
        """
        rows, columns = self.points_shape
        if self.one_group:
            return [(0, rows, 0, columns)]
        return [(i, i + 1, j, j + 1) for i, j in np.ndindex(rows, columns)]

    def part(self, values: AtPoints, i: int, j: int) -> np.ndarray:
        """Return the matrix of points (i, j)."""
        number = i * self.points_shape[1] + j
        return values[0][number] if self.one_group else values[number][0]

    @cached_property
    def channels(self) -> dict[tuple[int, int, PhaseGroup, PhaseGroup], slice]:
        """Which part of K is row group a's and column group b's, by (i, j, a, b)."""
        parts = {}
        for i, j in np.ndindex(self.points_shape):
            start = 0  # the parts lie side by side
            for a, b in product(self.rows.groups, self.columns.groups):
                if a.has(self.rows.points[i]) and b.has(self.columns.points[j]):
                    size = a.count * b.count * self.in_channels  # phases · phases · C
                    parts[i, j, a, b] = slice(start, start + size)
                    start += size
        return parts


@cache
def make_plan(
    size: Pair,
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    stride: Pair,
    padding: Padding,
) -> Plan:
    """Return the plan of a convolution of images of ``size`` pixels."""
    outputs = conv_output_size(size, kernel_size, stride, padding)
    rows, columns = (
        plan_axis(*axis)
        for axis in zip(
            size, kernel_size, stride, (padding.top, padding.left), outputs, strict=True
        )
    )
    return Plan(rows, columns, in_channels, out_channels, kernel_size)
