"""One plain HTTP request and what came back, whatever its status."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Protocol

__all__ = ["Answer", "AskHttp", "NoAnswer", "ask_http"]

_MOST_BYTES = 1_000_000


class NoAnswer(Exception):
    """No HTTP answer came; the text is a short reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Headers have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class AskHttp(Protocol):
    """The seam: how requests go out."""

    def __call__(self, method: str, url: str, *, headers: Mapping[str, str], timeout_seconds: float) -> Answer:
        """The answer, without following redirects; raises `NoAnswer`."""
        ...


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def ask_http(method: str, url: str, *, headers: Mapping[str, str], timeout_seconds: float) -> Answer:
    """Send one request over a new connection; proxies are taken from the usual variables, as the store does.

    Raises:
        NoAnswer: No connection, no answer in time, or no HTTP.
    """
    # The address is http(s): the options and the URI check it.
    request = urllib.request.Request(url, method=method, headers=dict(headers))  # noqa: S310
    started = time.perf_counter()
    try:
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout_seconds) as found:
                body = found.read(_MOST_BYTES)
                status, answered = found.status, found.headers
        except urllib.error.HTTPError as error:
            with error:
                body = error.read(_MOST_BYTES)
                status, answered = error.code, error.headers
    except urllib.error.URLError as error:
        reason = error.reason
        raise NoAnswer(str(getattr(reason, "strerror", None) or reason)) from error
    except TimeoutError as error:
        raise NoAnswer(f"no answer within {timeout_seconds:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(str(error) or type(error).__name__) from error
    lowered = {name.lower(): value for name, value in answered.items()}
    return Answer(int(status), lowered, body, time.perf_counter() - started)
