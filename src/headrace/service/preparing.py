"""Snapshots prepared for training: a job writes the files of each into the view bucket, once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.datasets.snapshot import Snapshot
from headrace.errors import InvalidInput, NotFound
from headrace.schema.tags import Tag
from headrace.service.buckets import Buckets
from headrace.service.jobs.job import Job
from headrace.service.jobs.job_context import JobContext
from headrace.service.jobs.job_store import JobStore
from headrace.service.training_statistics import training_statistics
from headrace.storage.canonical import JsonValue

__all__ = ["KIND", "PreparedSnapshot", "SnapshotPreparation"]

KIND = "prepare"
_FOLDER = "versionedDatasets"
_LOST_SLASH = re.compile("(?<=/)/|/$")


@dataclass(frozen=True, slots=True)
class PreparedSnapshot:
    """How far a snapshot is.

    Attributes:
        reason: Why it failed.
        bucket, path: Where its files are.
        files: Their names, in the order of the type.
        statistics: Of the snapshot, as texts.
    """

    state: Literal["RUNNING", "READY", "FAILED"]
    reason: str | None = None
    bucket: str = ""
    path: str = ""
    files: Sequence[str] = ()
    statistics: Mapping[str, str] | None = None


class SnapshotPreparation:
    """Prepares the snapshots of a lake. Thread-safe."""

    def __init__(
        self, lake: Lake, jobs: JobStore, buckets: Buckets, *, wake: Callable[[], None] = lambda: None
    ) -> None:
        """
        Args:
            wake: Called when a job was asked for, so that workers of this process need not look for it.
        """
        self._lake = lake
        self._jobs = jobs
        self._buckets = buckets
        self._wake = wake

    def prepare(self, dataset: Dataset, *, tags: Sequence[Tag], upto: str | None, actor: str) -> Snapshot:
        """The snapshot of the commits up to one that carry all tags; a job that writes its files is asked for.

        The first snapshot that was prepared under a version hash keeps it: the same commits give the same snapshot,
        also when rows were deleted since.

        Raises:
            InvalidInput: There is no bucket for the files.
        """
        self._view_bucket()
        chosen = dataset.select(tags=tags, upto=upto)
        if chosen.version_hash is None:
            raise RuntimeError("commits chosen by tags and number have a version hash")
        try:
            snapshot = dataset.snapshot_by_version_hash(chosen.version_hash)
        except NotFound:
            dataset.log_snapshot(chosen)
            snapshot = dataset.snapshot_by_version_hash(chosen.version_hash)
        self._submit(snapshot, actor=actor)
        return snapshot

    def look(self, dataset: Dataset, version_hash: str) -> PreparedSnapshot:
        """How far the snapshot with this version hash is.

        A snapshot that the lake knows and this server does not, because the server's database is new, is prepared.

        Raises:
            NotFound: None was prepared under it.
        """
        snapshot = dataset.snapshot_by_version_hash(version_hash)
        job = self._jobs.by_key(KIND, _key(snapshot))
        if job is None and snapshot.num_redacted:
            self._remove_files(self._path(snapshot))
            return PreparedSnapshot(
                "FAILED", reason=f"{snapshot.num_redacted} of its rows were purged since; prepare it again"
            )
        if job is None:
            job = self._submit(snapshot, actor=self._lake.actor)
        return self._prepared(job)

    def run(self, context: JobContext) -> JsonValue:
        """The job: write the view into the lake's own folder of views, then file by file into the bucket."""
        arguments = context.arguments
        dataset = self._lake.dataset(str(arguments["dataset"]))
        snapshot = dataset.logged_snapshot(str(arguments["snapshot"]))
        bucket, path = str(arguments["bucket"]), str(arguments["path"])
        view = snapshot.materialise(progress=context.progress)
        source = self._lake.locations.store(view.uri)
        names = [file.name for file in view.files]
        self._remove_files(path)
        target = self._lake.locations.store(self._buckets.locate(bucket, path))
        for name in names:
            target.put(name, source.get(name))
        return {
            "files": sorted(names, key=_part_order),
            "statistics": dict(training_statistics(dataset.type, snapshot.statistics)),
        }

    def _submit(self, snapshot: Snapshot, *, actor: str) -> Job:
        arguments = {
            "dataset": snapshot.dataset.id,
            "snapshot": snapshot.id,
            "bucket": self._view_bucket(),
            "path": self._path(snapshot),
        }
        job = self._jobs.submit(KIND, arguments, key=_key(snapshot), actor=actor)
        self._wake()
        return job

    def _prepared(self, job: Job) -> PreparedSnapshot:
        if job.state in ("queued", "running"):
            return PreparedSnapshot("RUNNING")
        if job.state != "succeeded":
            return PreparedSnapshot("FAILED", reason=self._buckets.told(job.error or f"the job was {job.state}"))
        result = job.result
        bucket, path = str(job.arguments["bucket"]), str(job.arguments["path"])
        return PreparedSnapshot("READY", None, bucket, path, result["files"], result["statistics"])

    def _path(self, snapshot: Snapshot) -> str:
        # The hash as it is, where that is a path: a '/' after another, or at the end, would be lost on a file system.
        folder = _LOST_SLASH.sub("%2F", snapshot.version_hash or "")
        return f"{_FOLDER}/{snapshot.dataset.id}/{folder}"

    def _view_bucket(self) -> str:
        if self._buckets.view_bucket is None:
            raise InvalidInput(
                "this server has no bucket for the files of prepared snapshots; start it with --bucket NAME=URI"
            )
        return self._buckets.view_bucket

    def _remove_files(self, path: str) -> None:
        """Those of one snapshot: below its folder there may be that of another, because hashes hold '/'."""
        store = self._lake.locations.store(self._buckets.locate(self._view_bucket(), path))
        for key in [stat.key for stat in store.list("") if "/" not in stat.key]:
            store.delete(key)


def _key(snapshot: Snapshot) -> str:
    """A purge makes another job of it."""
    return f"{snapshot.dataset.id}/{snapshot.id}/{snapshot.num_redacted}"


def _part_order(name: str) -> tuple[str, list[int]]:
    """part-2-10 comes after part-2-9."""
    stem, *numbers = name.split("-")
    return (stem, [int(number) for number in numbers]) if all(n.isdigit() for n in numbers) else (name, [])
