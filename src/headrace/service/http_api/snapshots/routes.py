"""`/v1/datasets/{name}/snapshots` and `/aliases`."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Path, Query, Response
from pydantic import JsonValue

from headrace.datasets.columns import MEDIA_VIEW_TYPE, media_kind
from headrace.datasets.records import SnapshotRecord
from headrace.datasets.snapshot import Snapshot
from headrace.service.http_api.edge import (
    DatasetToRead,
    DatasetToWrite,
    SnapshotToRead,
    note_new_version,
    snapshot_of,
)
from headrace.service.http_api.pages import Page, PageQuery, page_of
from headrace.service.http_api.plain_values import plain_column, plain_value
from headrace.service.http_api.problems import PROBLEM_RESPONSES
from headrace.service.http_api.snapshots.schemas import (
    AliasDocument,
    AliasTarget,
    RowsDocument,
    SnapshotDocument,
    SnapshotSummary,
    TakeSnapshot,
)

__all__ = ["router"]

router = APIRouter(prefix="/v1/datasets/{name}", tags=["snapshots"], responses=PROBLEM_RESPONSES)


@router.post("/snapshots", status_code=201)
def take_snapshot(wanted: TakeSnapshot, dataset: DatasetToWrite, response: Response) -> SnapshotDocument:
    """A logged snapshot; copies nothing, and the same choice gives the same id."""
    snapshot = dataset.snapshot(tags=wanted.tags, upto=wanted.upto, where=wanted.where, columns=wanted.columns)
    if wanted.alias is not None:
        snapshot.alias(wanted.alias)
    note_new_version(response, dataset)
    response.headers["Location"] = f"/v1/datasets/{dataset.id}/snapshots/{snapshot.id}"
    return SnapshotDocument.read(snapshot)


@router.get("/snapshots")
def list_snapshots(dataset: DatasetToRead, page: PageQuery) -> Page[SnapshotSummary]:
    """The logged snapshots, oldest first."""

    def place(record: SnapshotRecord) -> tuple[str]:
        return (record.created_at,)  # strictly ascending in a log

    state = dataset.state()
    found, after = page_of(state.snapshots.values(), page, of="snapshots", place=place, kinds=(str,))
    names: dict[str, list[str]] = {}
    for alias, snapshot_id in sorted(state.aliases.items()):
        names.setdefault(snapshot_id, []).append(alias)
    return Page(items=[SnapshotSummary.of(item, names.get(item.snapshot_id, [])) for item in found], next=after)


@router.get("/snapshots/{snapshot}")
def get_snapshot(snapshot: SnapshotToRead) -> SnapshotDocument:
    """A snapshot with its statistics."""
    return SnapshotDocument.read(snapshot)


@router.get("/snapshots/{snapshot}/rows")
def list_rows(
    snapshot: SnapshotToRead,
    offset: Annotated[int, Query(ge=0, le=2**53, description="Number of the first row, from 0.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Rows at most.")] = 100,
) -> RowsDocument:
    """Some rows in snapshot order; media as links."""
    start = min(offset, snapshot.num_rows)
    numbers = np.arange(start, min(start + limit, snapshot.num_rows))
    return RowsDocument(snapshot=snapshot.id, num_rows=snapshot.num_rows, offset=offset, rows=_rows(snapshot, numbers))


@router.get("/aliases")
def list_aliases(dataset: DatasetToRead, page: PageQuery) -> Page[AliasDocument]:
    """All aliases by name."""

    def place(item: tuple[str, str]) -> tuple[str]:
        return (item[0],)

    found, after = page_of(dataset.aliases.items(), page, of="aliases", place=place, kinds=(str,))
    return Page(items=[AliasDocument(alias=alias, snapshot=target) for alias, target in found], next=after)


@router.put("/aliases/{alias}")
def set_alias(
    alias: Annotated[str, Path(description="The name.", examples=["prod"])],
    target: AliasTarget,
    dataset: DatasetToWrite,
    response: Response,
) -> AliasDocument:
    """Point an alias to a snapshot, logging the snapshot if it is not yet."""
    snapshot = snapshot_of(dataset, target.snapshot)
    snapshot.alias(alias)
    note_new_version(response, dataset)
    return AliasDocument(alias=alias, snapshot=snapshot.id)


def _rows(
    snapshot: Snapshot,
    numbers: np.ndarray,  # [num_rows], ascending
) -> list[dict[str, JsonValue]]:
    """Rows as JSON, `_id` and `_digest` first."""
    table: pa.Table = snapshot.take_narrow(numbers)
    media = {field.name for field in table.schema if media_kind(field) is not None or field.type == MEDIA_VIEW_TYPE}
    base = f"/v1/datasets/{snapshot.dataset.id}/snapshots/{snapshot.id}/media"
    columns: dict[str, list[JsonValue]] = {}
    for name in ["_id", "_digest", *(name for name in table.column_names if name not in ("_id", "_digest"))]:
        if name not in media:
            columns[name] = plain_column(table.column(name), name=name)
            continue
        hrefs = (f"{base}/{number}/{quote(name, safe='')}" for number in numbers.tolist())
        columns[name] = [_media(value, href) for value, href in zip(table.column(name).to_pylist(), hrefs)]
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def _media(value: dict[str, object] | None, href: str) -> JsonValue:
    """What is known of a media value, and where its bytes are."""
    if value is None:
        return None
    return plain_value({**{name: item for name, item in value.items() if item is not None}, "href": href})
