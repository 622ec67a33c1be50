"""What does checking every digest cost in a full scan? See README.md."""

from __future__ import annotations

import shutil

import headrace
from benchmarks.measurement import BENCH_ROOT, Bar, Contestant, Outcome, hardware, race, report, versions
from benchmarks.photos import photo_set
from headrace.datasets.snapshot import Snapshot

QUESTION = "Verification: a scan of 20,000 photos with every digest checked, against the same scan unchecked"
OURS = "headrace scan (verified)"
UNCHECKED = "headrace scan (unverified)"


def scan(snapshot: Snapshot, *, verify: bool) -> int:
    """Bytes of media that came back."""
    return sum(batch.column("image").nbytes for batch in snapshot.scan(verify=verify))


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
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    share = 100 * (timings[OURS].median / timings[UNCHECKED].median - 1)
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[Bar("verification, under 10 % of a scan", share, 10.0, "under", "%")],
        libraries=versions("headrace", "pyarrow", "blake3", "xxhash"),
        machine=machine,
        facts={"photos": photos.num_photos, "bytes": photos.num_bytes},
    )


if __name__ == "__main__":
    main()
