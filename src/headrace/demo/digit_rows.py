"""The digits of a snapshot as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.datasets.snapshot import Snapshot
from headrace.demo.digit_classifier import DigitPixels
from headrace.demo.workspace import BATCH_SIZE
from headrace.storage.digests import digest_hex
from headrace.streaming import DataLoader, StreamingDataset

__all__ = ["DigitRows", "read_digits"]


@dataclass(frozen=True, slots=True)
class DigitRows:
    """Rows in the order of the snapshot."""

    sample_ids: Sequence[str]  # [num_rows], _id
    names: Sequence[str]  # [num_rows], id column
    labels: Sequence[str]  # [num_rows]
    digests: Sequence[str]  # [num_rows], BLAKE3 of the images as they were read, hex
    pixels: NDArray[np.float32]  # [num_rows, 256], 0 to 1


def read_digits(snapshot: Snapshot) -> DigitRows:
    """All rows, each image decoded once."""
    columns: dict[str, list[Any]] = {"_id": [], "id": [], "label": [], "digest": []}
    pixels: list[NDArray[np.float32]] = []  # each [batch, 256]
    data = StreamingDataset(snapshot, transforms=[_with_digest, DigitPixels()], shuffle=None)
    for batch in DataLoader(data, batch_size=BATCH_SIZE, num_workers=0, batch_format="numpy"):
        for name, values in columns.items():
            values += batch[name]
        pixels.append(batch["pixels"].copy())  # the loader uses its buffers again
    return DigitRows(
        columns["_id"], columns["id"], columns["label"], columns["digest"], np.concatenate(pixels, dtype=np.float32)
    )


def _with_digest(sample: dict[str, Any]) -> dict[str, Any]:
    return {**sample, "digest": digest_hex(sample["image"])}
