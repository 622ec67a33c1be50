"""How many bits differ between perceptual hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["hamming_distances"]


def hamming_distances(
    hashes: ArrayLike,  # [num_hashes], or any shape: whole numbers of 64 bits
    others: ArrayLike,  # one, or of a shape that fits
) -> NDArray[np.uint8]:
    """Bits that differ, 0 to 64, for each pair; shapes are matched as NumPy does it.

    All pairs of n hashes: `hamming_distances(hashes[:, None], hashes)`, [n, n]. In SQL: `bit_count(xor(a, b))`.
    """
    import numpy as np

    left, right = np.asarray(hashes, dtype=np.uint64), np.asarray(others, dtype=np.uint64)
    distances: NDArray[np.uint8] = np.bitwise_count(left ^ right)
    return distances
