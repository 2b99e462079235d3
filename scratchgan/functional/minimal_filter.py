"""One-dimensional convolutions with fewer multiplications.

Two outputs y0, y1 of a filter with T taps, y_i = Σ_t d_{i+t}·g_t, take 2T products when
written out. Minimal filtering (Winograd 1980; Lavin and Gray 2016, arXiv 1509.09308)
needs T + 1: one for each of the points 0, 1, -1 and infinity at which the polynomials
behind the convolution are evaluated, as far as T needs them::

    T = 2:  m_0 = (d0 - d1)·g0     m_1 = d1·(g0 + g1)     m_inf = (d1 - d2)·g1
            y0 = m_0 + m_1         y1 = m_1 - m_inf

    T = 3:  m_0 = (d0 - d2)·g0             m_1  = (d1 + d2)·(g0 + g1 + g2)/2
            m_inf = (d1 - d3)·g2           m_-1 = (d2 - d1)·(g0 - g1 + g2)/2
            y0 = m_0 + m_1 + m_-1          y1   = m_1 - m_-1 - m_inf

    T = 1:  m_0 = d0·g0    m_inf = -d1·g0    y0 = m_0    y1 = -m_inf

A point's part in the outputs, OUTPUTS below, is the same for every T. That is what
lets filters of different length share their products: a convolution with stride 2 is
one filter on the even pixels plus one on the odd ones (its phases), and where both have
the point, one matrix product sums over both.
"""

from dataclasses import dataclass

Terms = tuple[tuple[int, float], ...]
"""Σ coefficient·value[index], as (index, coefficient) pairs."""

POINTS = ("0", "1", "-1", "inf")
OUTPUTS: dict[str, Terms] = {
    "0": ((0, 1),),
    "1": ((0, 1), (1, 1)),
    "-1": ((0, 1), (1, -1)),
    "inf": ((1, -1),),
}
"""A point's product goes into these outputs of the tile."""
DATA: dict[int, dict[str, Terms]] = {
    1: {"0": ((0, 1),), "inf": ((1, -1),)},
    2: {"0": ((0, 1), (1, -1)), "1": ((1, 1),), "inf": ((1, 1), (2, -1))},
    3: {
        "0": ((0, 1), (2, -1)),
        "1": ((1, 1), (2, 1)),
        "-1": ((2, 1), (1, -1)),
        "inf": ((1, 1), (3, -1)),
    },
}
"""By taps and point: what of the data is multiplied."""
FILTER: dict[int, dict[str, Terms]] = {
    1: {"0": ((0, 1),), "inf": ((0, 1),)},
    2: {"0": ((0, 1),), "1": ((0, 1), (1, 1)), "inf": ((1, 1),)},
    3: {
        "0": ((0, 1),),
        "1": ((0, 0.5), (1, 0.5), (2, 0.5)),
        "-1": ((0, 0.5), (1, -0.5), (2, 0.5)),
        "inf": ((2, 1),),
    },
}
"""By taps and point: what of the filter it is multiplied with."""
TILE = 2
"""Outputs computed together."""


@dataclass(frozen=True)
class PhaseGroup:
    """Neighbouring phases with the same number of taps, handled as one.

    Attributes
    ----------
    first, count : int
        Which phases.
    taps : int
        Taps of each.
    """

    first: int
    count: int
    taps: int


@dataclass(frozen=True)
class AxisPlan:
    """How one axis of a strided convolution is computed.

    Attributes
    ----------
    stride : int
        Number of phases.
    outputs : int
        Output pixels.
    tiles : int
        Tiles of `TILE` outputs; the last may be half used.
    groups : tuple of PhaseGroup
    points : tuple of str
        The points that any group needs, in the order of `POINTS`.
    blocks : int
        Blocks of ``stride`` pixels that the tiles read: the padded length in blocks.
    """

    stride: int
    outputs: int
    tiles: int
    groups: tuple[PhaseGroup, ...]
    points: tuple[str, ...]
    blocks: int

    def groups_at(self, point: str) -> list[PhaseGroup]:
        """Return the groups that have this point."""
        return [group for group in self.groups if point in DATA[group.taps]]

    def phases_at(self, point: str) -> int:
        """Return the number of phases that have this point."""
        return sum(group.count for group in self.groups_at(point))


def supports(kernel_size: int, stride: int) -> bool:
    """Return whether every phase has one to three taps."""
    return stride <= kernel_size <= 3 * stride


def plan_axis(kernel_size: int, stride: int, outputs: int) -> AxisPlan:
    """Return the plan of one axis.

    Examples
    --------
    The paper's 5x5 kernels have three taps on even pixels and two on odd ones:

    >>> plan = plan_axis(5, 2, 8)
    >>> [group.taps for group in plan.groups], plan.points
    ([3, 2], ('0', '1', '-1', 'inf'))

    The number of products is that of all phases at all points, squared for an image:
    49 for a tile of 2x2 outputs, where the definition has 100:

    >>> sum(plan.phases_at(point) for point in plan.points) ** 2
    49
    """
    taps = [len(range(phase, kernel_size, stride)) for phase in range(stride)]
    groups: list[PhaseGroup] = []
    for phase, count in enumerate(taps):
        if groups and groups[-1].taps == count:
            last = groups.pop()
            groups.append(PhaseGroup(last.first, last.count + 1, count))
        else:
            groups.append(PhaseGroup(phase, 1, count))
    tiles = -(-outputs // TILE)
    return AxisPlan(
        stride,
        outputs,
        tiles,
        tuple(groups),
        tuple(p for p in POINTS if any(p in DATA[count] for count in taps)),
        TILE * tiles - 1 + max(taps),
    )
