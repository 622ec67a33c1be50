"""The application: routes, problems, limits and metrics over one lake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

import headrace
from headrace.datasets.lake import Lake
from headrace.service.http_api.body_limits import BodyLimits
from headrace.service.http_api.commits import routes as commits
from headrace.service.http_api.datasets import routes as datasets
from headrace.service.http_api.edge import LakeEdge
from headrace.service.http_api.foreign_pages import ForeignPages
from headrace.service.http_api.jobs import routes as job_routes
from headrace.service.http_api.lake import routes as lake_routes
from headrace.service.http_api.operations import routes as operations
from headrace.service.http_api.problems import MEDIA_TYPE, add_problem_handlers
from headrace.service.http_api.request_metrics import RequestWatch
from headrace.service.http_api.runs import routes as runs
from headrace.service.http_api.snapshots import media
from headrace.service.http_api.snapshots import routes as snapshots
from headrace.service.jobs.job_store import JobStore

__all__ = ["LakeApplication", "create_application"]

_DESCRIPTION = """\
Versioned datasets over HTTP. Names line up with the library: `POST /v1/datasets/{name}/commits` is `dataset.commit()`.

Lists come in pages: pass `next` as the next `cursor`. Answers about a dataset carry its version as ETag; a write with
`If-Match` is refused with 412 when the dataset has moved on. What is refused is told as a problem (RFC 9457).
"""


class LakeApplication(FastAPI):
    """FastAPI, whose OpenAPI document says what its errors are: problems, in their own media type."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            for operations_of_path in document["paths"].values():
                for operation in operations_of_path.values():
                    content = operation["responses"]["default"]["content"]
                    if MEDIA_TYPE not in content:
                        content[MEDIA_TYPE] = content.pop(next(iter(content)))
        return super().openapi()


def create_application(
    lake: Lake,
    *,
    is_ready: Callable[[], bool] = lambda: True,
    jobs: JobStore | None = None,
    upload_directory: Path | None = None,
    is_loopback: bool = False,
) -> FastAPI:
    """The HTTP edge of a lake.

    Args:
        lake: What it serves; it need not exist yet.
        is_ready: Whether requests should be sent here, for `/readyz`.
        jobs: Durable jobs to show under `/v1/jobs`; without a store there are no such routes.
        upload_directory: Where bodies with rows wait while they are read; by default the system's temporary folder.
        is_loopback: It listens at this machine's own address only, so that requests under other names are refused.
    """
    edge = LakeEdge.of(lake, is_ready=is_ready, jobs=jobs, upload_directory=upload_directory)
    application = LakeApplication(
        title="Headrace",
        version=headrace.__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        separate_input_output_schemas=False,
    )
    application.state.edge = edge
    for routes in (operations, datasets, commits, snapshots, media, runs, lake_routes):
        application.include_router(routes.router)
    if jobs is not None:
        application.include_router(job_routes.router)
    add_problem_handlers(application, edge.text)
    application.add_middleware(BodyLimits)
    application.add_middleware(ForeignPages, is_loopback=is_loopback)
    application.add_middleware(RequestWatch, metrics=edge.metrics)  # added last: it sees every request first
    return application


def _operation_id(route: APIRoute) -> str:
    return route.name
