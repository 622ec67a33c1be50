"""Every error becomes a problem of its status, and a fault of ours says nothing but an id."""

from __future__ import annotations

import logging

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

import headrace
from headrace import errors
from headrace.errors import HeadraceError, InvalidInput
from headrace.service.http_api.application import create_application
from headrace.service.http_api.problems import add_problem_handlers
from headrace.service.http_api.public_text import PublicText
from headrace.service.http_api.versions import VersionMovedOn

STATUSES = {
    "AlreadyExists": 409,
    "Conflict": 409,
    "DataCorrupted": 500,
    "GateFailed": 409,
    "HeadraceError": 500,
    "InvalidInput": 400,
    "MissingExtra": 501,
    "NotFound": 404,
    "PermissionDenied": 403,
    "Unavailable": 503,
}


def _client(error: Exception) -> TestClient:
    application = FastAPI()
    add_problem_handlers(application, PublicText("/srv/lake"))

    @application.get("/")
    def fail() -> None:
        raise error

    return TestClient(application)


def test_every_error_of_the_library_has_a_status() -> None:
    assert STATUSES.keys() == set(errors.__all__)


@pytest.mark.parametrize("name", sorted(STATUSES))
def test_error_becomes_a_problem(name: str) -> None:
    error: HeadraceError = getattr(errors, name)("lake /srv/lake has no dataset 'größe'")
    answer = _client(error).get("/")
    assert answer.status_code == STATUSES[name]
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == f"urn:headrace:problem:{error.code}"
    assert document["detail"] == "the lake has no dataset 'größe'"
    assert ("id" in document) == (STATUSES[name] >= 500)
    assert ("retry-after" in answer.headers) == (name == "Unavailable")


def test_failed_expectation_is_412() -> None:
    assert _client(VersionMovedOn("moved")).get("/").status_code == 412


def test_place_of_wrong_input_comes_along() -> None:
    document = _client(InvalidInput("no number", file="/home/ann/part.csv", line=3, column="age")).get("/").json()
    assert (document["file"], document["line"], document["column"]) == ("part.csv", 3, "age")


def test_fault_of_ours_says_nothing_but_the_id_that_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def is_ready() -> bool:
        raise RuntimeError("a secret of the inside")

    application = create_application(headrace.connect("memory://http-problems"), is_ready=is_ready)
    with caplog.at_level(logging.ERROR):
        answer = TestClient(application).get("/readyz")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert answer.json()["id"] in caplog.text
    assert "a secret of the inside" in caplog.text
