"""How fast are 1,000 tar shards adopted in place, and with how many requests? See README.md."""

from __future__ import annotations

import io
import shutil
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import lance
import numpy as np
import pyarrow as pa
import webdataset
from PIL import Image

import headrace
from benchmarks.measurement import BENCH_ROOT, Bar, Contestant, Outcome, hardware, race, report, versions

QUESTION = "Adopt: 1,000 WebDataset shards of 20 images with captions, in place"
OURS = "headrace, adopted (digests, headers checked)"
COPIED = "headrace, copied"
WEBDATASET = "webdataset, read once (nothing is kept)"
LANCE = "lance.write_dataset (a copy)"

NUM_SHARDS = 1_000
NUM_SAMPLES = 20
FOLDER = BENCH_ROOT / "shards-1000x20"


def make_shards() -> Path:
    """Generated shards, kept between runs."""
    if (FOLDER / "done").exists():
        return FOLDER / "shards"
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "shards").mkdir(parents=True)
    randomness = np.random.default_rng(7)
    for shard in range(NUM_SHARDS):
        with tarfile.open(FOLDER / "shards" / f"{shard:05d}.tar", "w") as archive:
            for sample in range(NUM_SAMPLES):
                pixels = randomness.integers(0, 255, (48, 48, 3), dtype=np.uint8)  # [height, width, channels]
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "JPEG", quality=90)
                name = f"{shard:05d}{sample:04d}"
                for suffix, data in (("jpg", file.getvalue()), ("txt", f"a photo of {name}".encode())):
                    member = tarfile.TarInfo(f"{name}.{suffix}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    (FOLDER / "done").touch()
    return FOLDER / "shards"


class _Counting(SimpleHTTPRequestHandler):
    requests: ClassVar[Counter[str]] = Counter()
    protocol_version = "HTTP/1.1"

    def send_head(self) -> object:  # type: ignore[override]
        type(self).requests[self.path] += 1
        return super().send_head()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder as a web server on this machine; counts requests by path."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Counting, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()


def read_samples(shards: list[str]) -> Iterator[dict[str, object]]:
    yield from webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)


def write_lance(shards: list[str], target: Path) -> object:
    schema = pa.schema([("id", pa.string()), ("image", pa.large_binary()), ("text", pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        rows: list[dict[str, object]] = []
        for sample in read_samples(shards):
            rows.append({"id": sample["__key__"], "image": sample["jpg"], "text": sample["txt"].decode()})  # type: ignore[attr-defined]
            if len(rows) == 512:
                yield pa.RecordBatch.from_pylist(rows, schema)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema)

    return lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches()), str(target / "lance"))


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    source = make_shards()
    shards = sorted(str(path) for path in source.glob("*.tar"))
    num_samples = NUM_SHARDS * NUM_SAMPLES
    target = BENCH_ROOT / "adopt_shards"

    def clean() -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)

    def commit(media: str, source: object = shards) -> object:
        lake = headrace.connect(str(target / "lake"))
        return lake.create_dataset("captions", type="IMAGE_TEXT", source=source, media=media)

    def check(_: object) -> None:
        snapshot = headrace.connect(str(target / "lake")).dataset("captions").snapshot()
        if snapshot.num_rows != num_samples or snapshot[777]["text"] != f"a photo of {777 // 20:05d}{777 % 20:04d}":
            raise RuntimeError("the dataset does not hold the shards' samples")

    def check_count(count: object) -> None:
        if count != num_samples:
            raise RuntimeError(f"{count} samples of {num_samples}")

    try:
        timings = race(
            [
                Contestant(OURS, lambda: commit("reference"), clean, check),
                Contestant(COPIED, lambda: commit("copy"), clean, check),
                Contestant(WEBDATASET, lambda: sum(1 for _ in read_samples(shards)), clean, check_count),
                Contestant(LANCE, lambda: write_lance(shards, target).count_rows(), clean, check_count),  # type: ignore[attr-defined]
            ],
            repetitions=3,
        )
        clean()
        with served(source) as address:
            commit("reference", [f"{address}/{Path(name).name}" for name in shards])
        most = max(_Counting.requests[f"/{Path(name).name}"] for name in shards)
        clean()
        commit("reference")
        copied = sum(path.stat().st_size for path in target.rglob("*.tar"))
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[
            Bar("requests for each shard over HTTP, named one by one", most, 3, "at most", ""),
            Bar("media bytes copied", copied, 0, "at most", "bytes"),
        ],
        libraries=versions("headrace", "webdataset", "pylance", "pyarrow"),
        machine=machine,
        facts={
            "shards": NUM_SHARDS,
            "samples": num_samples,
            "samples adopted per second": round(num_samples / timings[OURS].median),
        },
    )


if __name__ == "__main__":
    main()
