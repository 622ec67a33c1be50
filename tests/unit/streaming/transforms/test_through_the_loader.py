"""Transforms give the same batches wherever the loader runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.streaming import DataLoader, StreamingDataset
from headrace.streaming.transforms import ImageToTensor, LoadArray, SampleLatent
from tests.unit.streaming.transforms.samples_for_transforms import encoded, photo
from tests.unit.streaming.transforms.test_load_array import npy


def batches(path: Path, workers: str, num_workers: int) -> list[tuple[np.ndarray, np.ndarray]]:
    data = StreamingDataset(
        str(path),
        transforms=[
            ImageToTensor(16, crop="random_area", flip_probability=0.5),
            LoadArray("latent"),
            SampleLatent("latent"),
        ],
    )
    loader = DataLoader(data, batch_size=4, num_workers=num_workers, workers=workers, batch_format="numpy")  # type: ignore[arg-type]
    return [(batch["image"].copy(), batch["latent"].copy()) for batch in loader]


@pytest.mark.parametrize(("workers", "num_workers"), [("threads", 2), ("subprocess", 2), ("processes", 2)])
def test_batches_are_the_same_wherever_they_are_made(workers: str, num_workers: int, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    rows = [
        {"image": encoded(photo(30 + idx, 40)), "latent": npy(np.full((4, 3, 3), idx, np.float32))} for idx in range(10)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    wanted = batches(path, "threads", 0)
    found = batches(path, workers, num_workers)
    assert [image.shape for image, _ in found] == [(4, 3, 16, 16), (4, 3, 16, 16), (2, 3, 16, 16)]
    for (image, latent), (same_image, same_latent) in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(image, same_image)
        np.testing.assert_array_equal(latent, same_latent)
