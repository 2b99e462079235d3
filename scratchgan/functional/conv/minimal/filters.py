"""One-dimensional convolutions with fewer multiplications.

Two outputs y0, y1 of a filter with T taps, y_i = Σ_t d_{i+t}·g_t, of the data d and the
taps g, take 2T products when written out. Minimal filtering (Winograd 1980; Lavin and
Gray 2016, arXiv 1509.09308) needs T + 1, m_0 and so on: one for each of the points 0,
1, -1 and infinity at which the polynomials behind the convolution are evaluated, as
far as T needs them::

    T = 2:  m_0 = (d0 - d1)·g0     m_1 = d1·(g0 + g1)     m_inf = (d2 - d1)·g1
            y0 = m_0 + m_1         y1 = m_1 + m_inf

    T = 3:  m_0 = (d0 - d2)·g0             m_1  = (d1 + d2)·(g0 + g1 + g2)/2
            m_inf = (d3 - d1)·g2           m_-1 = (d2 - d1)·(g0 - g1 + g2)/2
            y0 = m_0 + m_1 + m_-1          y1   = m_1 - m_-1 + m_inf

    T = 1:  m_0 = d0·g0    m_inf = d1·g0    y0 = m_0    y1 = m_inf

A point's part in the outputs, OUTPUTS below, is the same for every T. That is what
lets filters of different length share their products: a convolution with stride 2 is
one filter on the even pixels plus one on the odd ones (its phases), and where both have
the point, one matrix product sums over both.

A padded line of pixels is cut into blocks of ``stride`` pixels, one of each phase. Tile
t, the outputs 2t and 2t + 1, reads the blocks 2t, 2t + 1, ... as its d0, d1, ... So d0
and d2 of all tiles are even blocks, d1 and d3 odd ones, and where the two are kept in
arrays of their own each d_k of all tiles is one slice. `minimal.tiles` draws a line.

The rest of the program knows the method from the tables below. FILTER takes weights to
the points, DATA images and OUTPUTS the gradients of outputs; the same tables
`transposed` bring back what was computed there.
"""

from dataclasses import dataclass

Terms = tuple[tuple[int, float], ...]
"""Σ coefficient·value[index], as (index, coefficient) pairs."""

# A line of a table is a part of the equations above: the factors of the point's m in
# DATA and FILTER, and in OUTPUTS the y that it is part of, with its signs.

POINTS = ("0", "1", "-1", "inf")
OUTPUTS: dict[str, Terms] = {
    "0": ((0, 1),),
    "1": ((0, 1), (1, 1)),  # y0 and y1
    "-1": ((0, 1), (1, -1)),  # y0, and subtracted from y1
    "inf": ((1, 1),),
}
"""A point's product goes into these outputs of the tile."""
DATA: dict[int, dict[str, Terms]] = {
    1: {"0": ((0, 1),), "inf": ((1, 1),)},
    2: {
        "0": ((0, 1), (1, -1)),  # d0 - d1
        "1": ((1, 1),),
        "inf": ((2, 1), (1, -1)),  # d2 - d1
    },
    3: {
        "0": ((0, 1), (2, -1)),  # d0 - d2
        "1": ((1, 1), (2, 1)),  # d1 + d2
        "-1": ((2, 1), (1, -1)),  # d2 - d1
        "inf": ((3, 1), (1, -1)),  # d3 - d1
    },
}
"""By taps and point: what of the data is multiplied."""
FILTER: dict[int, dict[str, Terms]] = {
    1: {"0": ((0, 1),), "inf": ((0, 1),)},
    2: {
        "0": ((0, 1),),
        "1": ((0, 1), (1, 1)),  # g0 + g1
        "inf": ((1, 1),),
    },
    3: {
        "0": ((0, 1),),
        "1": ((0, 0.5), (1, 0.5), (2, 0.5)),  # (g0 + g1 + g2) / 2
        "-1": ((0, 0.5), (1, -0.5), (2, 0.5)),  # (g0 - g1 + g2) / 2
        "inf": ((2, 1),),
    },
}
"""By taps and point: what of the filter it is multiplied with."""
TILE = 2
"""Outputs computed together."""


def transposed(terms: dict[str, Terms], points: tuple[str, ...]) -> dict[int, Terms]:
    """Return by index the sum over points that a table's transpose makes for it.

    Examples
    --------
    The outputs of a tile are the transpose of what each point goes into:

    >>> transposed(OUTPUTS, ("0", "1", "inf"))
    {0: ((0, 1), (1, 1)), 1: ((1, 1), (2, 1))}
    """
    sums: dict[int, Terms] = {}  # by index: (number of the point, coefficient), ...
    for number, point in enumerate(points):
        for index, coefficient in terms.get(point, ()):
            sums[index] = (*sums.get(index, ()), (number, coefficient))
    return sums


@dataclass(frozen=True)
class Pixels:
    """The pixels of one phase in the even or in the odd blocks.

    Attributes
    ----------
    parity : int
        0 for even blocks, 1 for odd ones.
    phase : int
        Number of the phase in its group.
    pixels : slice
        Their places in the line.
    blocks : slice
        Which of the even (odd) blocks they are in; others lie outside of the line.
    """

    parity: int
    phase: int
    pixels: slice
    blocks: slice


@dataclass(frozen=True, eq=False)
class PhaseGroup:
    """Neighbouring phases with the same number of taps, handled as one.

    Attributes
    ----------
    first, count : int
        Which phases.
    taps : int
        Taps of each.
    blocks : (int, int)
        Even and odd blocks that the tiles read.
    pixels : tuple of Pixels
        Where the blocks are in the line.
    """

    first: int
    count: int
    taps: int
    blocks: tuple[int, int]
    pixels: tuple[Pixels, ...]

    def has(self, point: str) -> bool:
        """Return whether these phases have a product at this point."""
        return point in DATA[self.taps]


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
    reads_all : bool
        Whether every pixel of the line is in some block.
    """

    stride: int
    outputs: int
    tiles: int
    groups: tuple[PhaseGroup, ...]
    points: tuple[str, ...]
    reads_all: bool

    def phases_at(self, point: str) -> int:
        """Return the number of phases that have this point."""
        return sum(group.count for group in self.groups if group.has(point))


def supports(kernel_size: int, stride: int) -> bool:
    """Return whether every phase has one to three taps, and not all have one.

    A single tap takes two products for two outputs, as it does written out.
    """
    return stride < kernel_size <= 3 * stride


def products_per_output(kernel_size: int, stride: int) -> float:
    """Return how many products an output takes, instead of ``kernel_size``.

    Examples
    --------
    >>> products_per_output(4, 2), products_per_output(5, 2), products_per_output(3, 1)
    (3.0, 3.5, 2.0)
    """
    # For a tile each phase takes one more than it has taps: in all, kernel and stride.
    return (kernel_size + stride) / TILE


def plan_axis(
    size: int, kernel_size: int, stride: int, before: int, outputs: int
) -> AxisPlan:
    """Return the plan of one axis.

    Parameters
    ----------
    size : int
        Pixels of the line.
    kernel_size, stride : int
        For which `supports` holds.
    before : int
        Zeros before the line.
    outputs : int
        Output pixels.

    Examples
    --------
    The paper's 5x5 kernels have three taps on even pixels and two on odd ones:

    >>> plan = plan_axis(16, 5, 2, 2, 8)
    >>> [group.taps for group in plan.groups], plan.points
    ([3, 2], ('0', '1', '-1', 'inf'))

    The number of products is that of all phases at all points, squared for an image:
    49 for a tile of 2x2 outputs, where the definition has 100:

    >>> sum(plan.phases_at(point) for point in plan.points) ** 2
    49
    """
    # Of each phase: w0, w2, w4 and w1, w3 of a kernel of 5 with stride 2 are [3, 2].
    taps = [len(range(phase, kernel_size, stride)) for phase in range(stride)]
    tiles = -(-outputs // TILE)
    groups = []
    for T in sorted(set(taps), reverse=True):  # the first phases have the most
        first, phases = taps.index(T), taps.count(T)
        # d_k of tile t is number t + k // 2 among the blocks of its parity, k <= T: the
        # last tile's d2, d3 are one block more than there are tiles.
        blocks = tiles + T // TILE, tiles + (T - 1) // TILE
        places = (
            _pixels(size, stride, before, parity, first + phase, blocks[parity], phase)
            for parity in (0, 1)
            for phase in range(phases)
        )
        groups.append(PhaseGroup(first, phases, T, blocks, tuple(places)))
    # Each pixel is in one phase and one block, so counting shows whether any is left.
    read = sum(
        len(range(size)[place.pixels]) for group in groups for place in group.pixels
    )
    return AxisPlan(
        stride,
        outputs,
        tiles,
        tuple(groups),
        tuple(p for p in POINTS if any(group.has(p) for group in groups)),
        read == size,
    )


def _pixels(
    size: int,
    stride: int,
    before: int,
    parity: int,
    phase: int,
    blocks: int,
    number: int,
) -> Pixels:
    """Return where the pixels of a phase are that lie in blocks of one parity.

    Blocks are counted among those of the parity, of which the tiles read ``blocks``;
    ``number`` is that of the phase in its group.
    """
    step = TILE * stride  # pixels from one block to the next of the same parity
    pixel = parity * stride + phase - before  # in block 0; negative in the padding
    block = max(0, -(pixel // step))  # the first one whose pixel is in the line
    pixel += block * step
    # Up to the end of the line, or of what the tiles read.
    count = max(0, min(blocks - block, -((pixel - size) // step)))
    return Pixels(
        parity,
        number,
        slice(pixel, pixel + count * step, step) if count else slice(0, 0),
        slice(block, block + count) if count else slice(0, 0),
    )
