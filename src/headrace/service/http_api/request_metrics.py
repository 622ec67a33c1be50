"""Counts and durations of requests for Prometheus, and the last resort for what breaks."""

from __future__ import annotations

import logging
import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.service.http_api.problems import internal_problem

__all__ = ["RequestMetrics", "RequestWatch"]

_logger = logging.getLogger(__name__)

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_CLIENT_WENT = 499


class RequestMetrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self._requests = Counter("headrace_http_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "headrace_http_request_seconds",
            "From the first byte to the last of the answer.",
            labels,
            registry=self.registry,
        )

    def note(self, method: str, route: str, *, status: int, seconds: float) -> None:
        """Count one request."""
        labels = (method if method in _METHODS else "other", route, str(status))
        self._requests.labels(*labels).inc()
        self._seconds.labels(*labels).observe(seconds)


class RequestWatch:
    """Notes every request, and answers those that fail for a reason that nobody foresaw with a bare problem."""

    def __init__(self, app: ASGIApp, *, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        status = 0

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except ClientDisconnect:
            status = _CLIENT_WENT
        except Exception as error:  # noqa: BLE001 - the last resort: it is logged with an id, and the client learns the id
            answer = internal_problem(error)
            if not status:
                status = answer.status_code
                await answer(scope, receive, send)
        finally:
            route = getattr(scope.get("route"), "path", None) or "unknown"
            self._metrics.note(scope["method"], route, status=status, seconds=time.perf_counter() - start)
