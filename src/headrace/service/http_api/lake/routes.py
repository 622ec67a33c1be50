"""`/v1/diff`, `/v1/query`, `/v1/lineage`, `/v1/audit`, and the lineage of a snapshot."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import JsonValue

from headrace.datasets.audit import AuditEntry
from headrace.datasets.lake import Lake
from headrace.datasets.snapshot import Snapshot
from headrace.errors import InvalidInput
from headrace.service.http_api.edge import EdgeOfRequest, SnapshotToRead
from headrace.service.http_api.lake.schemas import AuditDocument, DiffDocument, LineageDocument, QueryResult
from headrace.service.http_api.lake.schemas import Query as QueryBody
from headrace.service.http_api.pages import Page, PageQuery, page_of
from headrace.service.http_api.plain_values import plain_value
from headrace.service.http_api.problems import PROBLEM_RESPONSES

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["lake"], responses=PROBLEM_RESPONSES)

_REFERENCE = "A dataset, then nothing, or @alias, @id:HEX, @upto:N or @{2026-11-01T00:00:00Z}."
_ReferenceQuery = Annotated[str, Query(description=_REFERENCE, examples=["intents@prod"])]


@router.get("/diff")
def diff(edge: EdgeOfRequest, a: _ReferenceQuery, b: _ReferenceQuery) -> DiffDocument:
    """What one has to do to the rows of `a` to get those of `b`."""
    return DiffDocument.of(_snapshot(edge.lake, a).diff(_snapshot(edge.lake, b)))


@router.post("/query")
def query(question: QueryBody, edge: EdgeOfRequest) -> QueryResult:
    """The result of one SELECT over the rows of a snapshot; media columns are structs without bytes."""
    return QueryResult.of(_snapshot(edge.lake, question.reference).query(question.sql))


@router.get("/lineage")
def find_lineage(
    edge: EdgeOfRequest,
    sample: Annotated[str, Query(description="`_id` or key of a sample.", examples=["1:0"])],
) -> LineageDocument:
    """Every sample with this id or key in any dataset, with its way back to the source."""
    samples = [edge.text.document(plain_value(item.to_json())) for item in edge.lake.lineage(sample)]
    return LineageDocument(samples=samples)


@router.get("/datasets/{name}/snapshots/{snapshot}/lineage")
def get_snapshot_lineage(snapshot: SnapshotToRead, edge: EdgeOfRequest) -> dict[str, JsonValue]:
    """Commits with their sources, and the runs that used the snapshot."""
    document = edge.text.document(plain_value(snapshot.lineage().to_json()))
    return document if isinstance(document, dict) else {}


@router.get("/audit")
def list_audit(edge: EdgeOfRequest, page: PageQuery) -> Page[AuditDocument]:
    """Every change of the lake, oldest first; those of deleted datasets too."""

    def place(entry: AuditEntry) -> tuple[str, str, int]:
        return (entry.time, entry.dataset or "", entry.number)

    found, after = page_of(edge.lake.audit(), page, of="audit", place=place, kinds=(str, str, int))
    return Page(items=[AuditDocument.of(entry, edge.text) for entry in found], next=after)


def _snapshot(lake: Lake, reference: str) -> Snapshot:
    """The snapshot of a reference, which names no lake: a server has one, and opens no other."""
    if "::" in reference:
        raise InvalidInput(f"{reference[:200]!r} names a lake; a server has one, so begin with the dataset")
    return lake.snapshot(reference)
