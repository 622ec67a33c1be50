"""`/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from headrace.service.http_api.edge import EdgeOfRequest
from headrace.service.http_api.problems import PROBLEM_RESPONSES

__all__ = ["router"]

router = APIRouter(tags=["operations"], responses=PROBLEM_RESPONSES)


class Health(BaseModel):
    """That the server answers."""

    status: str = Field(description="Always `ok`.", examples=["ok"])


@router.get("/healthz")
async def get_health() -> Health:
    """Whether the process answers."""
    return Health(status="ok")


@router.get("/readyz")
async def get_readiness(edge: EdgeOfRequest) -> Health:
    """Whether requests should be sent here; 503 while the server starts or drains."""
    if not edge.is_ready():
        raise HTTPException(503, "the server is starting or draining; send requests elsewhere", {"Retry-After": "5"})
    return Health(status="ok")


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Counts and durations.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
)
def get_metrics(edge: EdgeOfRequest) -> Response:
    """Counts and durations of requests by route template and status, in the text format of Prometheus."""
    return Response(generate_latest(edge.metrics.registry), media_type=CONTENT_TYPE_LATEST)
