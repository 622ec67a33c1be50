"""One contestant in a process of its own: `python -m benchmarks.curation_metrics.contestant NAME FOLDER OUT`.

The last line it prints is JSON: {"seconds": wall time after the imports}. OUT becomes a Parquet file with key, blur and
entropy, in any order.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NUM_PROCESSES = 2
OPERATORS = ("image.blur", "image.entropy", "image.phash")


def main(name: str, folder: Path, out: Path) -> float:
    """Seconds."""
    if name in ("headrace", "headrace_apart"):
        return _headrace(folder / "lake", out, is_shared=name == "headrace")
    return {"pool": _pool, "polars": _polars}[name](sorted((folder / "parquet").glob("*.parquet")), out)


def _headrace(lake_folder: Path, out: Path, *, is_shared: bool) -> float:
    """A recipe of one fused stage, or of a stage for each operator, which decodes for itself."""
    import headrace
    from headrace.curation import Recipe, Stage
    from headrace.curation.recipe_run import run_plan
    from headrace.curation.run_options import RunOptions

    stages = (
        [Stage(name="metrics", operators=list(OPERATORS))]
        if is_shared
        else [Stage(name=operator.replace(".", "_"), operator=operator) for operator in OPERATORS]
    )
    started = time.perf_counter()
    recipe = Recipe("metrics", sources={"photos": "photos"}, stages=stages)
    run = run_plan(recipe.plan(headrace.connect(str(lake_folder))), options=RunOptions(workers=NUM_PROCESSES))
    seconds = time.perf_counter() - started
    rows = list(run.stages.values())[-1].to_arrow()
    pq.write_table(pa.table({"key": rows.column("_id"), **{n: rows.column(n) for n in ("blur", "entropy")}}), out)
    return seconds


def measure(jpeg: bytes) -> tuple[float, float, int]:
    """Blur, entropy and perceptual hash as one writes them by hand with OpenCV and NumPy; decoded once."""
    grey = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)  # [height, width]
    if grey is None:
        raise ValueError("not a JPEG")
    blur = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size  # [256]
    shares = shares[shares > 0]
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)  # [32, 32]
    spectrum = cv2.dct(small)[:8, :8].ravel()  # [64]
    bits = spectrum > np.median(spectrum[1:])  # [64]
    return blur, float(-(shares * np.log2(shares)).sum()), int(np.packbits(bits).view(">u8")[0] >> np.uint64(1))


def _measured(keys: pa.ChunkedArray, jpegs: list[bytes]) -> pa.Table:
    values = [measure(jpeg) for jpeg in jpegs]
    columns: dict[str, Any] = {"key": keys}
    for idx, name in enumerate(("blur", "entropy", "phash")):
        columns[name] = [value[idx] for value in values]
    return pa.table(columns)


def one_thread() -> None:
    """For the pool's processes: no threads of OpenCV beside them."""
    cv2.setNumThreads(1)


def row_group(job: tuple[Path, int]) -> pa.Table:
    """Metrics of one row group."""
    table = pq.ParquetFile(job[0]).read_row_group(job[1])
    return _measured(table.column("key"), table.column("jpeg").to_pylist())


def _pool(files: list[Path], out: Path) -> float:
    """The floor: two processes that take row groups; a dead one loses everything."""
    started = time.perf_counter()
    jobs = [(file, idx) for file in files for idx in range(pq.read_metadata(file).num_row_groups)]
    with ProcessPoolExecutor(NUM_PROCESSES, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        pq.write_table(pa.concat_tables(pool.map(row_group, jobs)), out)
    return time.perf_counter() - started


def _polars(files: list[Path], out: Path) -> float:
    """A lazy scan, the function on batches of the column, a streamed sink; all threads that Polars takes."""
    import polars as pl

    kind = pl.Struct({"blur": pl.Float64, "entropy": pl.Float64, "phash": pl.Int64})
    cv2.setNumThreads(1)

    def metrics(jpegs: pl.Series) -> pl.Series:
        values = [measure(jpeg) for jpeg in jpegs]
        return pl.Series([dict(zip(("blur", "entropy", "phash"), value, strict=True)) for value in values], dtype=kind)

    started = time.perf_counter()
    mapped = pl.col("jpeg").map_batches(metrics, return_dtype=kind, is_elementwise=True)
    pl.scan_parquet(files).select("key", metrics=mapped).unnest("metrics").sink_parquet(out)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(json.dumps({"seconds": main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))}))
