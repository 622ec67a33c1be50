"""What does a float column on a gigabyte of images cost, in bytes written? Against Lance and Delta; see README.md."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import deltalake
import lance
import numpy as np
import pyarrow as pa

import headrace
from benchmarks.measurement import BENCH_ROOT, Bar, Contestant, Outcome, hardware, race, report, versions
from benchmarks.photos import PhotoSet, photo_set

QUESTION = "Add a float column to 10,000 images of 100 KB"
OURS = "headrace add_columns, by id"
LANCE = "lance merge, by id"
LANCE_ORDERED = "lance add_columns, in row order"
DELTA = "delta add column + merge, by id"

NUM_PHOTOS = 10_000
SIDE = 528  # pixels: 102 KB on average
BATCH_ROWS = 128  # 13 MB
SMALL_BYTES = 64_000
COLUMN = "score"
SCHEMA = pa.schema([("id", pa.string()), ("image", pa.large_binary()), ("label", pa.string())])


def batches(photos: PhotoSet) -> Iterator[pa.RecordBatch]:
    files = list(photos.files())
    for start in range(0, len(files), BATCH_ROWS):
        ids, labels, paths = zip(*files[start : start + BATCH_ROWS], strict=True)
        images = pa.array([path.read_bytes() for path in paths], pa.large_binary())
        yield pa.record_batch([list(ids), images, list(labels)], schema=SCHEMA)


class Written:
    """Bytes that a run wrote below a folder, and putting the folder back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = self._files()
        self._small = {file: file.read_bytes() for file, (size, _) in self._before.items() if size < SMALL_BYTES}
        self.num_bytes: dict[str, int] = {}

    def undo(self) -> None:
        """Remove the files that came since and put small ones back (Lance rewrites a hint). A copy of everything for
        each run would be a gigabyte each time."""
        now = self._files()
        for file in now.keys() - self._before.keys():
            file.unlink()
        for file, state in self._before.items():
            if now.get(file) == state:
                continue
            if file not in self._small:
                raise RuntimeError(f"{file} was changed or removed")
            file.write_bytes(self._small[file])
            os.utime(file, ns=(state[1], state[1]))

    def count(self, run: Callable[[], object]) -> object:
        """Run, and keep the three counts; reading them takes microseconds."""
        before = _kernel_counts()
        outcome = run()
        after = _kernel_counts()
        self.num_bytes = {name: after[name] - before[name] for name in after}
        return outcome

    def count_files(self) -> None:
        """Add the bytes of the files that are new or changed."""
        self.num_bytes["new_files"] = sum(
            state[0] for file, state in self._files().items() if self._before.get(file) != state
        )

    def _files(self) -> dict[Path, tuple[int, int]]:
        found = ((file, file.stat()) for file in self._folder.rglob("*") if file.is_file())
        return {file: (stat.st_size, stat.st_mtime_ns) for file, stat in found}


def _kernel_counts() -> dict[str, int]:
    """What this process wrote so far; absent where there is no /proc."""
    file = Path("/proc/self/io")
    if not file.exists():
        return {}
    lines = (line.split(": ") for line in file.read_text(encoding="ascii").splitlines())
    return {name: int(value) for name, value in lines if name in ("wchar", "write_bytes")}


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    photos = photo_set(NUM_PHOTOS, side=SIDE)
    folder = BENCH_ROOT / "add_column"
    shutil.rmtree(folder, ignore_errors=True)
    lake, lance_table, delta_table = folder / "lake", folder / "photos.lance", folder / "photos.delta"
    dataset = headrace.connect(str(lake)).create_dataset("photos", type="IMAGE_CLASS", source=str(photos.root))
    bare_id = dataset.snapshot().id
    lance.write_dataset(pa.RecordBatchReader.from_batches(SCHEMA, batches(photos)), str(lance_table))
    deltalake.write_deltalake(str(delta_table), pa.RecordBatchReader.from_batches(SCHEMA, batches(photos)))

    ids = [sample_id for sample_id, _, _ in photos.files()]
    floats = np.random.default_rng(7).random(len(ids))  # [num_photos]
    expected = dict(zip(ids, floats.tolist(), strict=True))
    shuffled = np.random.default_rng(8).permutation(len(ids))  # [num_photos]
    by_id = pa.table({"id": ids, COLUMN: floats}).take(shuffled)
    in_order = pa.table({COLUMN: floats})

    def add_headrace() -> object:
        return headrace.connect(str(lake)).dataset("photos").add_columns(by_id)

    def read_headrace() -> pa.Table:
        again = headrace.connect(str(lake)).dataset("photos")
        if again.snapshot().id != bare_id:
            raise RuntimeError("the snapshot without the column has another id than before")
        return again.snapshot(columns=["id", COLUMN]).to_arrow()

    def merge_lance() -> object:
        return lance.dataset(str(lance_table)).merge(by_id, left_on="id")

    def add_lance() -> object:
        return lance.dataset(str(lance_table)).add_columns(in_order.to_reader())

    def read_lance() -> pa.Table:
        return lance.dataset(str(lance_table)).to_table(columns=["id", COLUMN])

    def add_delta() -> object:
        table = deltalake.DeltaTable(str(delta_table))
        table.alter.add_columns([deltalake.Field(COLUMN, deltalake.schema.PrimitiveType("double"))])
        merge = table.merge(by_id, predicate="t.id = s.id", source_alias="s", target_alias="t")
        return merge.when_matched_update({COLUMN: f"s.{COLUMN}"}).execute()

    def read_delta() -> pa.Table:
        return deltalake.DeltaTable(str(delta_table)).to_pyarrow_table(columns=["id", COLUMN])

    written: dict[str, Written] = {}

    def contestant(name: str, place: Path, run: Callable[[], object], read: Callable[[], pa.Table]) -> Contestant:
        written[name] = Written(place)

        def check(_: object) -> None:
            written[name].count_files()
            found = read()
            if dict(zip(found.column("id").to_pylist(), found.column(COLUMN).to_pylist(), strict=True)) != expected:
                raise RuntimeError(f"{name}: other floats came back than were added")

        return Contestant(name, lambda: written[name].count(run), prepare=written[name].undo, check=check)

    try:
        timings = race(
            [
                contestant(OURS, lake, add_headrace, read_headrace),
                contestant(LANCE, lance_table, merge_lance, read_lance),
                contestant(LANCE_ORDERED, lance_table, add_lance, read_lance),
                contestant(DELTA, delta_table, add_delta, read_delta),
            ]
        )
        written[OURS].undo()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    facts: dict[str, str | int | float] = {"images": photos.num_photos, "bytes_of_images": photos.num_bytes}
    for name, counts in written.items():
        word = "lance_in_order" if name == LANCE_ORDERED else name.split()[0]
        facts.update({f"{word}_{kind}": num_bytes for kind, num_bytes in sorted(counts.num_bytes.items())})
    totals = {name: max(counts.num_bytes.values()) for name, counts in written.items()}
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[
            Bar(
                "bytes written of the bytes of the images, under 1 %",
                100 * totals[OURS] / photos.num_bytes,
                1.0,
                "under",
                "%",
            )
        ],
        libraries=versions("headrace", "pylance", "deltalake", "pyarrow", "blake3"),
        machine=machine,
        facts=facts,
        bytes_written=totals,
    )


if __name__ == "__main__":
    main()
