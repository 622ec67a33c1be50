"""Products of vectors on a GPU, by torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["TorchProducts"]

_BLOCK_PRODUCTS: Final = 1 << 24


class TorchProducts:
    """On a device of torch, in full float32; memory there is the vectors of a call and some 300 MB."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)

    @classmethod
    def on_gpu(cls) -> TorchProducts | None:
        """On the first GPU, or None where torch has none."""
        return cls("cuda") if torch.cuda.is_available() else None

    def at_least(
        self, left: NDArray[np.float32], right: NDArray[np.float32], limit: float
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
        """See `VectorProducts`."""
        others = torch.from_numpy(np.ascontiguousarray(right)).to(self._device)
        step = max(1, _BLOCK_PRODUCTS // max(len(right), 1))
        for start in range(0, len(left), step):
            ours = torch.from_numpy(np.ascontiguousarray(left[start : start + step])).to(self._device)
            products = ours @ others.T  # [step, num_right]
            rows, columns = torch.nonzero(products >= limit, as_tuple=True)
            values = products[rows, columns]
            yield (rows + start).cpu().numpy(), columns.cpu().numpy(), values.cpu().numpy()

    def largest(
        self, left: NDArray[np.float32], right: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """See `VectorProducts`."""
        places = np.empty((len(left), count), dtype=np.int64)
        values = np.empty((len(left), count), dtype=np.float32)
        others = torch.from_numpy(np.ascontiguousarray(right)).to(self._device)
        step = max(1, _BLOCK_PRODUCTS // len(right))
        for start in range(0, len(left), step):
            ours = torch.from_numpy(np.ascontiguousarray(left[start : start + step])).to(self._device)
            found = torch.topk(ours @ others.T, count, dim=1)
            places[start : start + step] = found.indices.cpu().numpy()
            values[start : start + step] = found.values.cpu().numpy()
        return places, values
