"""What does opening a dataset cost after 10 and after 10,000 commits? Against Lance and Delta; see README.md."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import deltalake
import lance
import pyarrow as pa

import headrace
from benchmarks.measurement import BENCH_ROOT, Bar, Contestant, Outcome, hardware, race, report, versions
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.storage.digests import digest_hex
from headrace.storage.memory import MemoryStore
from headrace.storage.store import ObjectStat

QUESTION = "Opening a dataset and counting its rows, after 10 and after 10,000 commits"
COUNTS = (10, 1_000, 10_000)
PEER_COUNTS = (10, 1_000)  # ten thousand versions take the peers many minutes to write
LATENCY_SECONDS = 0.02
SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])


def rows(number: int) -> pa.Table:
    return pa.table([[number], [f"row {number}"]], schema=SCHEMA)


def fill(lake: Lake, num_commits: int) -> Dataset:
    """A real commit, then entries of the log that only differ in their names."""
    dataset = lake.create_dataset("rows", schema=SCHEMA)
    dataset.commit(rows(0), tags={"delivery": "1"})
    first = dict(next(entry for entry in dataset.log_of_entries.entries(after=1)).body)
    for number in range(2, num_commits + 1):
        body = {
            **first,
            "commit": str(number),
            "digest": digest_hex(b"commit %d" % number),
            "message": f"delivery {number}",
            "tags": [["delivery", str(number)]],
        }
        dataset.log_of_entries.append("commit", lambda _, body=body: body)  # type: ignore[misc]
    return dataset


class CountingStore(MemoryStore):
    """Objects at a distance: counts requests, each of which takes its time."""

    is_local = False
    latency_seconds = 0.0
    num_requests = 0

    def get(self, key: str) -> bytes:
        self._wait()
        return super().get(key)

    def stat(self, key: str) -> ObjectStat | None:
        self._wait()
        return super().stat(key)

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectStat]:
        self._wait()
        return super().list(prefix, start_after=start_after)

    def _wait(self) -> None:
        self.num_requests += 1
        time.sleep(self.latency_seconds)


def open_dataset(lake: Lake) -> int:
    dataset = lake.dataset("rows")
    repr(dataset)
    return dataset.num_rows


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    folder = BENCH_ROOT / "open_dataset"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    distant: dict[int, CountingStore] = {}
    facts: dict[str, str | int | float] = {}
    for count in COUNTS:
        fill(headrace.connect(str(folder / f"lake{count}")), count)
        distant[count] = CountingStore(f"memory://open-dataset-{count}")
        fill(Lake(distant[count]), count)
        distant[count].latency_seconds = LATENCY_SECONDS
    for count in PEER_COUNTS:
        for number in range(count):
            lance.write_dataset(rows(number), str(folder / f"lance{count}"), mode="append" if number else "create")
            deltalake.write_deltalake(str(folder / f"delta{count}"), rows(number), mode="append")

    def check(count: int) -> object:
        def compare(found: object) -> None:
            if found != count:
                raise RuntimeError(f"{found} rows instead of {count}")

        return compare

    def reset(count: int) -> None:
        distant[count].num_requests = 0

    def contestant(name: str, count: int, run: object, prepare: object = None) -> Contestant:
        return Contestant(name, run, prepare=prepare, check=check(count))  # type: ignore[arg-type]

    contestants = [
        *(
            contestant(
                f"headrace {count:,}",
                count,
                lambda count=count: open_dataset(headrace.connect(str(folder / f"lake{count}"))),
            )
            for count in COUNTS
        ),
        *(
            contestant(
                f"headrace {count:,}, 20 ms away",
                count,
                lambda count=count: open_dataset(Lake(distant[count])),
                lambda count=count: reset(count),
            )
            for count in COUNTS
        ),
        *(
            contestant(
                f"lance {count:,}", count, lambda count=count: lance.dataset(str(folder / f"lance{count}")).count_rows()
            )
            for count in PEER_COUNTS
        ),
        *(
            contestant(
                f"delta {count:,}",
                count,
                lambda count=count: (
                    deltalake.DeltaTable(str(folder / f"delta{count}")).to_pyarrow_dataset().count_rows()
                ),
            )
            for count in PEER_COUNTS
        ),
    ]
    timings = race(contestants, repetitions=9)
    for count in COUNTS:
        facts[f"requests to open {count:,} commits"] = distant[count].num_requests
    for count in COUNTS:
        seconds = snapshot_seconds(folder / f"lake{count}", folder / "copy", num_rows=count)
        facts[f"milliseconds to open and snapshot {count:,} commits"] = round(1000 * seconds, 1)
    shutil.rmtree(folder)
    largest = f"headrace {COUNTS[-1]:,}"
    return report(
        question=QUESTION,
        timings=timings,
        ours=largest,
        bars=[
            Bar("opening 10,000 commits, at most 1.5x of 10", _ratio(timings, ""), 1.5, "at most", "x"),
            Bar("the same 20 ms away, at most 1.5x", _ratio(timings, ", 20 ms away"), 1.5, "at most", "x"),
            Bar("requests to open 10,000 commits, at most 20", float(distant[10_000].num_requests), 20, "at most", ""),
            Bar("open and snapshot 10,000 commits, under 300 ms", seconds, 0.3, "under", "s"),
        ],
        libraries=versions("headrace", "pylance", "deltalake", "pyarrow", "blake3"),
        machine=machine,
        facts=facts,
    )


def snapshot_seconds(lake: Path, copy: Path, *, num_rows: int) -> float:
    """The median of five, each on a fresh copy, because taking a snapshot again writes nothing."""
    found: list[float] = []
    for _ in range(5):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(lake, copy)
        started = time.perf_counter()
        snapshot = headrace.connect(str(copy)).dataset("rows").snapshot()
        found.append(time.perf_counter() - started)
        if snapshot.num_rows != num_rows:
            raise RuntimeError(f"not a snapshot of {num_rows} rows: {snapshot!r}")
    return sorted(found)[len(found) // 2]


def _ratio(timings: dict, suffix: str) -> float:  # type: ignore[type-arg]
    return float(timings[f"headrace 10,000{suffix}"].median / timings[f"headrace 10{suffix}"].median)


if __name__ == "__main__":
    main()
