"""What the routes stand on: the lake, opened for reading and for writing, and the dataset that a request names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from fastapi import Path as PathParameter

from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.datasets.snapshot import Snapshot
from headrace.errors import InvalidInput, PermissionDenied
from headrace.schema.references import Reference
from headrace.service.http_api.public_text import PublicText
from headrace.service.http_api.request_metrics import RequestMetrics
from headrace.service.http_api.versions import ExpectingDataset, read_if_match, version_tag
from headrace.service.jobs.job_store import JobStore
from headrace.storage.locations import Locations
from headrace.storage.store import ObjectStore

__all__ = [
    "DatasetName",
    "DatasetToRead",
    "DatasetToWrite",
    "EdgeOfRequest",
    "LakeEdge",
    "NoLocations",
    "SnapshotToRead",
    "note_new_version",
    "snapshot_of",
]


class NoLocations(Locations):
    """Opens nothing: rows that come over HTTP carry their media as bytes, and name no place that the server reads."""

    def open(self, uri: str) -> tuple[ObjectStore, str]:
        """Refuse.

        Raises:
            PermissionDenied: Always.
        """
        raise PermissionDenied(f"{uri[:200]!r} is not read for a request; put the bytes themselves into the column")


@dataclass(frozen=True, slots=True)
class LakeEdge:
    """What one application serves."""

    lake: Lake
    lake_to_write: Lake  # the same one, but it reads no places that rows name
    is_ready: Callable[[], bool]
    jobs: JobStore | None
    upload_directory: Path | None  # where bodies with rows wait; None: the system's
    text: PublicText
    metrics: RequestMetrics

    @classmethod
    def of(
        cls, lake: Lake, *, is_ready: Callable[[], bool], jobs: JobStore | None, upload_directory: Path | None
    ) -> LakeEdge:
        """The edge of a lake."""
        lake_to_write = Lake(lake.store, actor=lake.actor, clock=lake.clock, locations=NoLocations())
        return cls(lake, lake_to_write, is_ready, jobs, upload_directory, PublicText(lake.uri), RequestMetrics())


async def edge_of_request(request: Request) -> LakeEdge:
    """The edge of the application that was asked."""
    edge: LakeEdge = request.app.state.edge
    return edge


EdgeOfRequest = Annotated[LakeEdge, Depends(edge_of_request)]

DatasetName = Annotated[str, PathParameter(description="Name or id of the dataset.", examples=["intents"])]
SnapshotName = Annotated[
    str,
    PathParameter(
        description="The id of a logged snapshot or its first 8 or more hex digits; or `@` and what may follow it in a "
        "reference: an alias, `upto:N`, `{2026-11-01T00:00:00Z}`.",
        examples=["@prod"],
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        description="The version that the write expects: the ETag of an earlier answer, with its quotes. The write is "
        "refused with 412 if the dataset has moved on.",
        examples=['"12"'],
    ),
]


def dataset_to_read(name: DatasetName, edge: EdgeOfRequest, response: Response) -> Dataset:
    """The dataset that the path names; the answer carries its version."""
    dataset = edge.lake.dataset(name)
    response.headers["ETag"] = version_tag(dataset)
    return dataset


def dataset_to_write(name: DatasetName, edge: EdgeOfRequest, if_match: IfMatch = None) -> Dataset:
    """The dataset that the path names, which refuses to change in another version than the expected one."""
    versions = read_if_match(if_match)
    dataset = edge.lake_to_write.dataset(name)
    return dataset if versions is None else ExpectingDataset(dataset, versions=versions)


DatasetToRead = Annotated[Dataset, Depends(dataset_to_read)]
DatasetToWrite = Annotated[Dataset, Depends(dataset_to_write)]


def note_new_version(response: Response, dataset: Dataset) -> None:
    """Tell the version that a write made, if the write said which one it expected."""
    if isinstance(dataset, ExpectingDataset) and dataset.new_version is not None:
        response.headers["ETag"] = f'"{dataset.new_version}"'


def snapshot_of(dataset: Dataset, text: str) -> Snapshot:
    """The snapshot of a dataset that a path or body names: an id, its beginning, or "@alias".

    Raises:
        NotFound: There is none.
        InvalidInput: Another form.
    """
    selector = text[1:] if text.startswith("@") else f"id:{text}"
    if "::" in selector:
        raise InvalidInput(f"{text[:200]!r} is no snapshot: expected its id, or @ and an alias")
    return dataset.resolve(Reference.parse(f"{dataset.id}@{selector}").selector)


def snapshot_to_read(snapshot: SnapshotName, dataset: DatasetToRead) -> Snapshot:
    """The snapshot that the path names."""
    return snapshot_of(dataset, snapshot)


SnapshotToRead = Annotated[Snapshot, Depends(snapshot_to_read)]
