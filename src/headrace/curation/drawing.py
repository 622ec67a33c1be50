"""Rows drawn at random, and how many of each group: functions of ids and a seed, never of row order."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pyarrow as pa
from blake3 import blake3
from numpy.typing import NDArray

from headrace.errors import InvalidInput

__all__ = ["draw_order", "quotas"]

_CONTEXT = b"headrace.curation.draw.1"


def draw_order(ids: pa.Array, *, seed: int) -> NDArray[np.int64]:
    """Positions of the rows in an order that looks random, [num_rows].

    A row's place is the first 128 bits of BLAKE3 over seed and id: rows that come or go do not move the others.

    Raises:
        InvalidInput: A seed of more than 64 bits.
    """
    if not -(2**63) <= seed < 2**63:
        raise InvalidInput(f"seed {seed} is not a whole number of 64 bits")
    start = blake3(_CONTEXT + seed.to_bytes(8, "little", signed=True))
    digests = bytearray()
    for value in ids.to_pylist():
        hasher = start.copy()
        hasher.update(value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass"))
        digests += hasher.digest(16)
    places = np.frombuffer(bytes(digests), dtype=">u8").reshape(-1, 2)  # [num_rows, 2]
    return np.lexsort((places[:, 1], places[:, 0])).astype(np.int64)


def quotas(
    shares: Sequence[Fraction],  # [num_groups], not negative, any sum above 0
    *,
    limits: Sequence[int],  # [num_groups], rows that there are
    num_rows: int,
) -> list[int]:  # [num_groups]
    """How many rows of each group, in proportion to the shares, as near to `num_rows` as the limits allow.

    A group that has too few gives all, and the others share what is missing. Fractions go to the largest remainders,
    of equal ones to the first group (Hamilton's method).
    """
    taken = [0] * len(shares)
    is_open = [share > 0 and limit > 0 for share, limit in zip(shares, limits)]
    left = min(num_rows, sum(limit for limit, free in zip(limits, is_open) if free))
    while True:
        total = sum((share for share, free in zip(shares, is_open) if free), Fraction(0))
        if not left or not total:
            return taken
        exact = {idx: shares[idx] * left / total for idx, free in enumerate(is_open) if free}
        full = [idx for idx, rows in exact.items() if rows >= limits[idx]]
        if not full:
            break
        for idx in full:
            taken[idx], is_open[idx] = limits[idx], False
            left -= limits[idx]
    whole = {idx: int(rows) for idx, rows in exact.items()}
    by_remainder = sorted(exact, key=lambda idx: (whole[idx] - exact[idx], idx))
    for idx in by_remainder[: left - sum(whole.values())]:
        whole[idx] += 1
    for idx, rows in whole.items():
        taken[idx] = rows
    return taken
