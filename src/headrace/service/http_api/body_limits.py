"""Limits on request bodies, counted while they arrive."""

from __future__ import annotations

import re

import anyio
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.units import format_bytes

__all__ = ["BodyLimits"]

ROWS_LIMIT_BYTES = 64 << 20
JSON_LIMIT_BYTES = 1 << 20

_ROWS = re.compile(r"/v1/datasets/[^/]+/commits/?")
_DRAINED_BYTES = 128 << 20
_DRAIN_SECONDS = 5.0


class BodyLimits:
    """Refuses bodies that are too large, with 413: 64 MiB for rows, 1 MiB for all else.

    What was sent already is read and dropped within bounds, because most clients look for an answer only when they
    have sent everything.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a `receive` that counts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_rows = scope["method"] == "POST" and _ROWS.fullmatch(scope["path"]) is not None
        limit = ROWS_LIMIT_BYTES if is_rows else JSON_LIMIT_BYTES
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        is_too_large = announced.isdigit() and int(announced[:20]) > limit
        num_bytes = 0

        async def counting_receive() -> Message:
            nonlocal num_bytes
            if is_too_large:
                await _drain(receive)
                raise _too_large(limit)
            message = await receive()
            if message["type"] == "http.request":
                num_bytes += len(message.get("body", b""))
                if num_bytes > limit:
                    if message.get("more_body", False):
                        await _drain(receive)
                    raise _too_large(limit)
            return message

        await self._app(scope, counting_receive, send)


def _too_large(limit: int) -> HTTPException:
    return HTTPException(
        413,
        f"the body is larger than {format_bytes(limit)}, which is the limit here; send rows in several commits",
        {"Connection": "close"},
    )


async def _drain(receive: Receive) -> None:
    num_bytes = 0
    with anyio.move_on_after(_DRAIN_SECONDS):
        while num_bytes < _DRAINED_BYTES:
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if not message.get("more_body", False):
                return
