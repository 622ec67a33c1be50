"""What does checking every digest cost in a full scan? See README.md."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import headrace
from benchmarks.measurement import BENCH_ROOT, Bar, Contestant, Outcome, hardware, race, report, versions
from benchmarks.photos import photo_set
from headrace.datasets.snapshot import Snapshot

QUESTION = "Verification: a scan of 20,000 photos with every digest checked, against the same scan unchecked"
OURS = "cached, verified"
UNCHECKED = "cached, unverified"
COLD = "from the device, verified"
COLD_UNCHECKED = "from the device, unverified"


def scan(snapshot: Snapshot, *, verify: bool) -> int:
    """Bytes of media that came back."""
    return sum(batch.column("image").nbytes for batch in snapshot.scan(verify=verify))


def forget(lake: Path) -> None:
    """Ask the system to drop the lake's pages, so that the next scan reads the device."""
    for path in lake.rglob("*.tar"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    photos = photo_set()
    folder = BENCH_ROOT / "verify_overhead"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        lake = headrace.connect(str(folder / "lake"))
        snapshot = lake.create_dataset("photos", type="IMAGE_CLASS", source=str(photos.root)).snapshot()

        def check(num_bytes: object) -> None:
            if not isinstance(num_bytes, int) or num_bytes < photos.num_bytes:
                raise RuntimeError(f"the scan returned {num_bytes} bytes of {photos.num_bytes}")

        timings = race(
            [
                Contestant(OURS, lambda: scan(snapshot, verify=True), check=check),
                Contestant(UNCHECKED, lambda: scan(snapshot, verify=False), check=check),
            ],
            repetitions=15,
            warmups=3,
        )
        timings |= race(
            [
                Contestant(COLD, lambda: scan(snapshot, verify=True), lambda: forget(folder), check),
                Contestant(COLD_UNCHECKED, lambda: scan(snapshot, verify=False), lambda: forget(folder), check),
            ],
            repetitions=7,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    def share(verified: str, unverified: str) -> float:
        return 100 * (timings[verified].median / timings[unverified].median - 1)

    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[
            Bar("verification, under 10 % of a scan from the page cache", share(OURS, UNCHECKED), 10.0, "under", "%"),
            Bar("verification, under 10 % of a scan from the device", share(COLD, COLD_UNCHECKED), 10.0, "under", "%"),
        ],
        libraries=versions("headrace", "pyarrow", "blake3", "xxhash"),
        machine=machine,
        facts={"photos": photos.num_photos, "bytes": photos.num_bytes},
    )


if __name__ == "__main__":
    main()
