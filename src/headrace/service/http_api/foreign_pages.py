"""Keeps web pages of other sites from using a server that their reader's browser reaches."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace.service.http_api.problems import Problem, problem_answer

__all__ = ["ForeignPages"]

_READING = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ForeignPages:
    """Refuses writes that a page of another origin sends, and any request under a foreign name on loopback.

    A browser says in `Origin` whose page a request comes from. A name that an attacker lets point to 127.0.0.1 makes
    his page one of the same origin, which is told by `Host`.
    """

    def __init__(self, app: ASGIApp, *, is_loopback: bool) -> None:
        self._app = app
        self._is_loopback = is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is not refused."""
        if scope["type"] == "http" and (reason := self._reason(scope["method"], Headers(scope=scope))) is not None:
            kind = "urn:headrace:problem:permission-denied"
            problem = Problem(type=kind, title="It is not allowed", status=403, detail=reason)
            await problem_answer(problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _reason(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if self._is_loopback and _name_of(host) not in _LOOPBACK:
            return f"this server is called localhost or 127.0.0.1, not {host[:200]!r}"
        origin = headers.get("origin")
        if origin is not None and method not in _READING and origin.partition("://")[2] != host:
            return f"a page of {origin[:200]!r} may not change what this server holds"
        return None


def _name_of(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # brackets without an address in them
        return None
