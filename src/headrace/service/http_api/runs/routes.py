"""`/v1/datasets/{name}/runs`."""

from __future__ import annotations

from fastapi import APIRouter, Response

from headrace.datasets.records import RunRecord
from headrace.service.http_api.edge import DatasetToRead, DatasetToWrite, EdgeOfRequest, note_new_version, snapshot_of
from headrace.service.http_api.pages import Page, PageQuery, page_of
from headrace.service.http_api.problems import PROBLEM_RESPONSES
from headrace.service.http_api.runs.schemas import RecordRun, RunDocument

__all__ = ["router"]

router = APIRouter(prefix="/v1/datasets/{name}/runs", tags=["runs"], responses=PROBLEM_RESPONSES)


@router.get("")
def list_runs(dataset: DatasetToRead, page: PageQuery) -> Page[RunDocument]:
    """Recorded runs, oldest first."""

    def place(record: RunRecord) -> tuple[str]:
        return (record.created_at,)  # strictly ascending in a log

    found, after = page_of(dataset.runs, page, of="runs", place=place, kinds=(str,))
    return Page(items=[RunDocument.of(record) for record in found], next=after)


@router.post("", status_code=201)
def record_run(made: RecordRun, dataset: DatasetToWrite, edge: EdgeOfRequest, response: Response) -> RunDocument:
    """Write down that something was made from a snapshot, logging the snapshot if it is not yet."""
    snapshot = snapshot_of(dataset, made.snapshot)
    record = edge.lake_to_write.record_run(snapshot, name=made.name, artefacts=made.artefacts, metrics=made.metrics)
    note_new_version(response, dataset)
    return RunDocument.of(record)
