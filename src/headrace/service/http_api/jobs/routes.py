"""`/v1/jobs`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from headrace.errors import NotFound
from headrace.service.http_api.edge import EdgeOfRequest
from headrace.service.http_api.jobs.schemas import JobDocument, JobLogLineDocument
from headrace.service.http_api.pages import Page, PageQuery, cursor_after, place_in_cursor
from headrace.service.http_api.problems import PROBLEM_RESPONSES
from headrace.service.jobs.job import JobState
from headrace.service.jobs.job_store import JobStore

__all__ = ["router"]

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=PROBLEM_RESPONSES)

JobId = Annotated[str, Path(description="Id of the job.", examples=["1"])]


async def job_store(edge: EdgeOfRequest) -> JobStore:
    """The store of the application's jobs."""
    if edge.jobs is None:
        raise NotFound("this server keeps no jobs")
    return edge.jobs


Jobs = Annotated[JobStore, Depends(job_store)]


@router.get("")
def list_jobs(
    jobs: Jobs,
    edge: EdgeOfRequest,
    page: PageQuery,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    kind: Annotated[
        str | None, Query(description="Only jobs of this kind.", max_length=100, pattern=r"^[^\x00]*$")
    ] = None,
) -> Page[JobDocument]:
    """Jobs, newest first."""
    place = place_in_cursor(page, of="jobs", kinds=(str,))
    found = jobs.list(state=state, kind=kind, limit=page.limit, after=None if place is None else str(place[0]))
    is_last = len(found) < page.limit or not jobs.list(state=state, kind=kind, limit=1, after=found[-1].id)
    return Page(
        items=[JobDocument.of(job, edge.text) for job in found],
        next=None if is_last else cursor_after((found[-1].id,), of="jobs"),
    )


@router.get("/{job}")
def get_job(job: JobId, jobs: Jobs, edge: EdgeOfRequest) -> JobDocument:
    """A job: where it stands, how far it is, what came of it."""
    return JobDocument.of(jobs.get(job), edge.text)


@router.post("/{job}/cancel")
def cancel_job(job: JobId, jobs: Jobs, edge: EdgeOfRequest) -> JobDocument:
    """Stop a job: at once if no worker has it, else at its next report."""
    return JobDocument.of(jobs.cancel(job), edge.text)


@router.post("/{job}/retry")
def retry_job(job: JobId, jobs: Jobs, edge: EdgeOfRequest) -> JobDocument:
    """Queue a job again that failed or was cancelled; its log goes on."""
    return JobDocument.of(jobs.retry(job), edge.text)


@router.get("/{job}/log")
def get_job_log(job: JobId, jobs: Jobs, edge: EdgeOfRequest, page: PageQuery) -> Page[JobLogLineDocument]:
    """What a job said, line by line, oldest first."""
    place = place_in_cursor(page, of="lines", kinds=(int,))
    after = 0 if place is None else int(place[0])
    lines = jobs.log(job, after=after, limit=page.limit)
    is_last = len(lines) < page.limit or not jobs.log(job, after=lines[-1].number, limit=1)
    return Page(
        items=[JobLogLineDocument.of(line, edge.text) for line in lines],
        next=None if is_last else cursor_after((lines[-1].number,), of="lines"),
    )
