from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from headrace.service.http_api.foreign_pages import ForeignPages


def _client(*, is_loopback: bool) -> TestClient:
    async def answer(_: object) -> PlainTextResponse:
        return PlainTextResponse("ok")

    application = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])
    return TestClient(ForeignPages(application, is_loopback=is_loopback), base_url="http://127.0.0.1:8765")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 200),
        ("POST", {}, 200),
        ("POST", {"Origin": "http://127.0.0.1:8765"}, 200),
        ("GET", {"Origin": "http://evil.example"}, 200),
        ("POST", {"Origin": "http://evil.example"}, 403),
        ("POST", {"Origin": "http://127.0.0.1:9999"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Origin": ""}, 403),
    ],
)
@pytest.mark.parametrize("is_loopback", [True, False])
def test_pages_of_other_origins_do_not_write(
    method: str, headers: dict[str, str], status: int, is_loopback: bool
) -> None:
    found = _client(is_loopback=is_loopback).request(method, "/", headers=headers)
    assert found.status_code == status
    if status == 403:
        assert found.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("localhost:8765", 200), ("127.0.0.1:1", 200), ("[::1]:8765", 200), ("evil.example", 403),
     ("127.0.0.1.evil.example", 403), ("[::", 403), ("", 403)],
)  # fmt: skip
def test_foreign_names_of_loopback_are_refused(host: str, status: int) -> None:
    assert _client(is_loopback=True).get("/", headers={"Host": host}).status_code == status
    assert _client(is_loopback=False).get("/", headers={"Host": host}).status_code == 200
