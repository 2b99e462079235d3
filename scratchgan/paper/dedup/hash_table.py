"""Codes as bytes, and the table that finds equal ones in linear time."""

import numpy as np

_FREE = -1
# Odd 64-bit numbers with bits all over, to spread codes over the table.
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)
_HALF = np.uint64(32)


def pack_codes(active: np.ndarray) -> np.ndarray:
    """Turn bool (N, 128) into uint8 (N, 16): 16 bytes an image are what stays.

    >>> pack_codes(np.arange(128)[None] == 0)[0, :2]
    array([128,   0], dtype=uint8)
    """
    return np.packbits(active, axis=1)


def count_active(codes: np.ndarray) -> np.ndarray:
    """Return the number of active units of each code, int (N,), from uint8 (N, 16)."""
    return np.unpackbits(codes, axis=1).sum(axis=1, dtype=np.int64)


def first_rows(codes: np.ndarray) -> np.ndarray:
    """Return for every row the first row that has the same code.

    A hash table with open addressing and linear probing, filled by all rows at once:
    in each round every row that has found no place looks at its slot. A free slot is
    taken by the first of them; who meets its own code there is done, the others go on
    to the next slot. The table has at least twice as many slots as rows, so few rounds
    are needed and the time grows as the number of rows.

    Rows of one code pass the same slots in the same rounds, so the first of them is
    the one that takes a slot.

    Parameters
    ----------
    codes : ndarray of shape (N, 16), uint8
        As `pack_codes` makes them; fewer than 2³⁰ rows.

    Returns
    -------
    ndarray of shape (N,), int64
        ``result[i] <= i``; row i is the first of its bucket where they are equal.

    Examples
    --------
    >>> first_rows(np.array([[5] * 16, [7] * 16, [5] * 16], np.uint8))
    array([0, 1, 0])
    """
    words = np.ascontiguousarray(codes).view(np.uint64)  # (N, 2)
    slots = 1 << (2 * len(words)).bit_length()
    table = np.full(slots, _FREE, np.int32)
    slot = _hash(words) & (slots - 1)
    first = np.empty(len(words), np.int64)
    pending = np.arange(len(words))
    while len(pending):
        at = slot[pending]
        free = table[at] == _FREE
        # Of several values for one slot the last stays: backwards, it is the first.
        table[at[free][::-1]] = pending[free][::-1]
        owner = table[at].astype(np.int64)
        same = (words[owner] == words[pending]).all(axis=1)
        first[pending[same]] = owner[same]
        pending = pending[~same]
        slot[pending] = (slot[pending] + 1) & (slots - 1)
    return first


def _hash(words: np.ndarray) -> np.ndarray:
    """Mix the two halves of each code into one number, int64 (N,), not negative.

    A product modulo 2⁶⁴ carries low bits to high ones, and the shift brings those back.
    """
    one, other = _MULTIPLIERS
    mixed = words[:, 0] * one
    mixed ^= mixed >> _HALF
    mixed = (mixed + words[:, 1]) * other
    mixed ^= mixed >> _HALF
    mixed *= one
    mixed ^= mixed >> _HALF
    return (mixed >> np.uint64(1)).astype(np.int64)
