"""Products of many vectors with many: by BLAS, or by torch where there is a GPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from headrace.curation.executor.gpus import visible_gpus

__all__ = ["BlasProducts", "VectorProducts", "available_products"]

_BLOCK_PRODUCTS: Final = 1 << 22


class VectorProducts(Protocol):
    """Computes in float32; results differ in the last places between machines, so callers check what lies close."""

    def at_least(
        self,
        left: NDArray[np.float32],  # [num_left, num_dimensions]
        right: NDArray[np.float32],  # [num_right, num_dimensions]
        limit: float,
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
        """Positions in `left` and `right` of pairs whose product is `limit` or more, and the products, [num_pairs].

        Part by part, so that memory is bounded where nearly all pairs are.
        """
        ...

    def largest(
        self,
        left: NDArray[np.float32],  # [num_left, num_dimensions]
        right: NDArray[np.float32],  # [num_right, num_dimensions]
        count: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The positions in `right` with the largest products and these, each [num_left, count], largest first."""
        ...


class BlasProducts:
    """On the CPU. Memory beside the vectors is some 50 MB."""

    def at_least(
        self, left: NDArray[np.float32], right: NDArray[np.float32], limit: float
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
        """See `VectorProducts`."""
        step = max(1, _BLOCK_PRODUCTS // max(len(right), 1))
        for start in range(0, len(left), step):
            products = left[start : start + step] @ right.T  # [step, num_right]
            flat = np.flatnonzero(products >= limit)
            rows, columns = np.divmod(flat, len(right))
            yield rows + start, columns, products.reshape(-1)[flat]

    def largest(
        self, left: NDArray[np.float32], right: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See `VectorProducts`."""
        places = np.empty((len(left), count), dtype=np.int64)
        values = np.empty((len(left), count), dtype=np.float32)
        step = max(1, _BLOCK_PRODUCTS // len(right))
        for start in range(0, len(left), step):
            products = left[start : start + step] @ right.T
            rows = np.arange(len(products))
            for rank in range(count):  # few: one pass for each costs less than partitioning
                best = products.argmax(axis=1)
                places[start : start + step, rank] = best
                values[start : start + step, rank] = products[rows, best]
                products[rows, best] = -np.inf
        return places, values


def available_products() -> VectorProducts:
    """Those of the GPU if there is one that torch can use, else BLAS. torch is imported only where there is a GPU."""
    if not visible_gpus() or importlib.util.find_spec("torch") is None:
        return BlasProducts()
    from headrace.curation.dedup.torch_products import TorchProducts

    return TorchProducts.on_gpu() or BlasProducts()
