"""The photos of the metric stage: the same JPEGs in a lake and in Parquet files for the peers. Made once and kept."""

from __future__ import annotations

import os
import shutil
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import headrace
from benchmarks.measurement import BENCH_ROOT
from benchmarks.photos import photo_set

__all__ = ["JPEG_SIDE", "forget_results", "photo_lake"]

JPEG_SIDE = 528  # pixels of the shorter side: 102 KB a photo, about as many as a photo of ImageNet
_NUM_GENERATED = 10_000
_ROW_GROUP_ROWS = 250
_FILE_ROWS = 1_250


def photo_lake(num_photos: int) -> Path:
    """A folder with `lake`, whose dataset is `photos`, and `parquet`: columns key and jpeg, uncompressed."""
    folder = BENCH_ROOT / "curation_metrics" / f"photos-{num_photos}x{JPEG_SIDE}"
    if folder.exists():
        return folder
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    photos = list(islice(photo_set(_NUM_GENERATED, side=JPEG_SIDE).files(), num_photos))
    for key, _, file in photos:
        target = partial / "photos" / key
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, target)
    headrace.connect(str(partial / "lake")).create_dataset("photos", type="IMAGE_CLASS", source=str(partial / "photos"))
    (partial / "parquet").mkdir()
    for start in range(0, num_photos, _FILE_ROWS):
        part = photos[start : start + _FILE_ROWS]
        columns = {
            "key": pa.array([key for key, _, _ in part]),
            "jpeg": pa.array([file.read_bytes() for _, _, file in part], pa.binary()),
        }
        path = partial / "parquet" / f"part-{start:06d}.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=_ROW_GROUP_ROWS, compression="none")
    partial.rename(folder)
    return folder


def forget_results(lake: Path) -> None:
    """Remove all that recipes have left in the lake, so that the next run computes everything."""
    shutil.rmtree(lake / "derived" / "curation", ignore_errors=True)
