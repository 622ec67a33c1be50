"""`/v1/datasets/{name}/commits`, `/changes`, `/rows/delete`, `/revert`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from headrace.datasets.commit import Commit
from headrace.datasets.dataset import Dataset
from headrace.schema.tags import parse_tag
from headrace.service.http_api.commits.received_rows import ROWS_BODY, RowsOfRequest
from headrace.service.http_api.commits.schemas import (
    ChangesDocument,
    CommitDocument,
    CommitSummary,
    DeletedRows,
    DeleteRows,
    RevertTo,
)
from headrace.service.http_api.datasets.schemas import DatasetDocument
from headrace.service.http_api.edge import DatasetToRead, DatasetToWrite, EdgeOfRequest, note_new_version
from headrace.service.http_api.pages import Page, PageQuery, page_of
from headrace.service.http_api.problems import PROBLEM_RESPONSES

__all__ = ["router"]

router = APIRouter(prefix="/v1/datasets/{name}", tags=["commits"], responses=PROBLEM_RESPONSES)

CommitId = Annotated[str, Path(description="Id of the commit.", examples=["1"], max_length=18)]


@router.get("/commits")
def list_commits(dataset: DatasetToRead, page: PageQuery) -> Page[CommitSummary]:
    """All commits, oldest first; deleted ones say so."""

    def place(commit: Commit) -> tuple[int]:
        return (int(commit.id),)

    found, after = page_of(dataset.log(), page, of="commits", place=place, kinds=(int,))
    return Page(items=[CommitSummary.of(commit) for commit in found], next=after)


@router.post("/commits", status_code=201, openapi_extra=ROWS_BODY)
def commit_rows(
    dataset: DatasetToWrite,
    rows: RowsOfRequest,
    edge: EdgeOfRequest,
    response: Response,
    message: Annotated[str, Query(description="Shown in the log.")] = "",
    tag: Annotated[
        list[str] | None,
        Query(description="A mark as key=value; may be repeated.", examples=[["category=aaa"]]),
    ] = None,
) -> CommitDocument:
    """Add the rows of the body as one immutable commit; on an error nothing of it is visible."""
    tags = [parse_tag(text) for text in tag or ()]
    commit = dataset.commit(rows.table_for(dataset), message=message, tags=tags)
    note_new_version(response, dataset)
    response.headers["Location"] = f"/v1/datasets/{dataset.id}/commits/{commit.id}"
    return CommitDocument.read(commit, edge.text)


@router.get("/commits/{commit}")
def get_commit(commit: CommitId, dataset: DatasetToRead, edge: EdgeOfRequest) -> CommitDocument:
    """A commit with its sources, rejected rows and statistics."""
    return CommitDocument.read(_commit(dataset, commit), edge.text)


@router.delete("/commits/{commit}", status_code=204)
def delete_commit(commit: CommitId, dataset: DatasetToWrite, response: Response) -> None:
    """Hide a commit from new snapshots; those taken before keep it."""
    dataset.delete_commit(commit)
    note_new_version(response, dataset)


@router.post("/commits/{commit}/restore")
def restore_commit(commit: CommitId, dataset: DatasetToWrite, response: Response) -> CommitSummary:
    """Show a deleted commit again, with the same digest."""
    dataset.restore_commit(commit)
    note_new_version(response, dataset)
    return CommitSummary.of(_commit(dataset, commit))


@router.get("/changes")
def get_changes(
    dataset: DatasetToRead,
    edge: EdgeOfRequest,
    since: Annotated[
        str,
        Query(
            description="Id of a commit, `until` of an earlier answer, `0` for everything, or an ISO 8601 time.",
            examples=["0"],
        ),
    ],
) -> ChangesDocument:
    """What was committed, deleted, restored, reverted and purged since, for incremental readers."""
    return ChangesDocument.of(dataset.changes(since), edge.text)


@router.post("/rows/delete")
def delete_rows(which: DeleteRows, dataset: DatasetToWrite, response: Response) -> DeletedRows:
    """Hide rows from new snapshots; those taken before keep them."""
    num_rows = dataset.delete_rows(where=which.where, keys=which.keys)
    note_new_version(response, dataset)
    return DeletedRows(num_rows=num_rows)


@router.post("/revert")
def revert(target: RevertTo, dataset: DatasetToWrite, response: Response) -> DatasetDocument:
    """Show again what was visible right after a commit: a new entry, nothing is lost."""
    dataset.revert(to=target.to)
    note_new_version(response, dataset)
    return DatasetDocument.of(dataset)


def _commit(dataset: Dataset, commit_id: str) -> Commit:
    dataset.require_commit(dataset.state(), commit_id)
    return next(commit for commit in dataset.log() if commit.id == str(int(commit_id)))
