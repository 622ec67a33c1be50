"""How fast do 20,000 photos in a folder become a dataset? Against TarWriter and Lance; see README.md."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import lance
import pyarrow as pa
import webdataset

import headrace
from benchmarks.measurement import BENCH_ROOT, Bar, Contestant, Outcome, hardware, race, report, versions
from benchmarks.photos import PhotoSet, digest_of_digests, photo_set

QUESTION = "Ingest: 20,000 photos of about 24 KB from a folder, with id and label"
OURS = "headrace (durable, digests, headers checked)"
TAR_LABELLED = "TarWriter (jpg + cls)"
TAR_BARE = "TarWriter (jpg only)"
TAR_SYNCED = "TarWriter (jpg + cls) + fsync"
LANCE = "lance.write_dataset"
LANCE_SYNCED = "lance.write_dataset + fsync"

LANCE_SCHEMA = pa.schema([("id", pa.string()), ("image", pa.large_binary()), ("label", pa.string())])
LANCE_BATCH_ROWS = 512  # 12 MB; 128 and 2,048 are not faster


def ingest_headrace(photos: PhotoSet, target: Path) -> object:
    lake = headrace.connect(str(target / "lake"))
    return lake.create_dataset("photos", type="IMAGE_CLASS", source=str(photos.root))


def check_headrace(photos: PhotoSet, target: Path) -> None:
    snapshot = headrace.connect(str(target / "lake")).dataset("photos").snapshot()
    digests = [
        hashlib.sha256(image.as_buffer()).hexdigest() for batch in snapshot.scan() for image in batch.column("image")
    ]
    require_all_photos(photos, digests)


def write_tar(photos: PhotoSet, target: Path, *, labelled: bool, synced: bool) -> None:
    label_ids: dict[str, int] = {}
    with open(target / "photos.tar", "wb") as stream:
        writer = webdataset.TarWriter(stream)
        for sample_id, label, file in photos.files():
            with open(file, "rb") as source:
                sample: dict[str, object] = {"__key__": sample_id[: -len(".jpg")], "jpg": source.read()}
            if labelled:
                sample["cls"] = label_ids.setdefault(label, len(label_ids))
            writer.write(sample)
        writer.close()
        if synced:
            stream.flush()
            os.fsync(stream.fileno())


def check_tar(photos: PhotoSet, target: Path) -> None:
    digests: list[str] = []
    with tarfile.open(target / "photos.tar") as archive:
        for member in archive:
            if member.name.endswith(".jpg"):
                content = archive.extractfile(member)
                if content is not None:
                    digests.append(hashlib.sha256(content.read()).hexdigest())
    require_all_photos(photos, digests)


def write_lance(photos: PhotoSet, target: Path, *, synced: bool) -> None:
    reader = pa.RecordBatchReader.from_batches(LANCE_SCHEMA, photo_batches(photos))
    lance.write_dataset(reader, str(target / "photos.lance"))
    if synced:
        for file in (target / "photos.lance").rglob("*"):
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)


def photo_batches(photos: PhotoSet) -> Iterator[pa.RecordBatch]:
    ids: list[str] = []
    images: list[bytes] = []
    labels: list[str] = []
    for sample_id, label, file in photos.files():
        with open(file, "rb") as source:
            images.append(source.read())
        ids.append(sample_id)
        labels.append(label)
        if len(ids) == LANCE_BATCH_ROWS:
            yield pa.record_batch([ids, pa.array(images, pa.large_binary()), labels], schema=LANCE_SCHEMA)
            ids, images, labels = [], [], []
    if ids:
        yield pa.record_batch([ids, pa.array(images, pa.large_binary()), labels], schema=LANCE_SCHEMA)


def check_lance(photos: PhotoSet, target: Path) -> None:
    dataset = lance.dataset(str(target / "photos.lance"))
    digests = [
        hashlib.sha256(image.as_buffer()).hexdigest()
        for batch in dataset.to_batches(columns=["image"])
        for image in batch.column("image")
    ]
    require_all_photos(photos, digests)


def require_all_photos(photos: PhotoSet, digests: list[str]) -> None:
    if len(digests) != photos.num_photos or digest_of_digests(digests) != photos.digest:
        raise RuntimeError(f"{len(digests)} photos came back with other bytes than the {photos.num_photos} written")


def main() -> Outcome:
    """Run the race and print it."""
    machine = hardware()
    photos = photo_set()
    target = BENCH_ROOT / "ingest_photos"

    def clean() -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)

    def tar_contestant(name: str, *, labelled: bool, synced: bool) -> Contestant:
        return Contestant(
            name,
            lambda: write_tar(photos, target, labelled=labelled, synced=synced),
            prepare=clean,
            check=lambda _: check_tar(photos, target),
        )

    def lance_contestant(name: str, *, synced: bool) -> Contestant:
        return Contestant(
            name,
            lambda: write_lance(photos, target, synced=synced),
            prepare=clean,
            check=lambda _: check_lance(photos, target),
        )

    try:
        timings = race(
            [
                Contestant(
                    OURS,
                    lambda: ingest_headrace(photos, target),
                    prepare=clean,
                    check=lambda _: check_headrace(photos, target),
                ),
                tar_contestant(TAR_LABELLED, labelled=True, synced=False),
                tar_contestant(TAR_BARE, labelled=False, synced=False),
                tar_contestant(TAR_SYNCED, labelled=True, synced=True),
                lance_contestant(LANCE, synced=False),
                lance_contestant(LANCE_SYNCED, synced=True),
            ]
        )
    finally:
        shutil.rmtree(target, ignore_errors=True)
    ours = timings[OURS].median
    return report(
        question=QUESTION,
        timings=timings,
        ours=OURS,
        bars=[
            Bar("speed against TarWriter, at least 2x", timings[TAR_LABELLED].median / ours, 2.0, "at least", "x"),
            Bar("speed against Lance, at least 1x", timings[LANCE].median / ours, 1.0, "at least", "x"),
        ],
        libraries=versions("headrace", "webdataset", "pylance", "pyarrow", "blake3"),
        machine=machine,
        facts={
            "photos": photos.num_photos,
            "bytes": photos.num_bytes,
            "headrace_mb_per_second": round(photos.num_bytes / ours / 1e6, 1),
        },
    )


if __name__ == "__main__":
    main()
