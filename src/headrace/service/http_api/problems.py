"""Errors as RFC 9457 problems: one form for what the library refuses, what the edge refuses, and what breaks."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from headrace.errors import (
    AlreadyExists,
    Conflict,
    DataCorrupted,
    GateFailed,
    HeadraceError,
    InvalidInput,
    MissingExtra,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from headrace.service.http_api.public_text import PublicText
from headrace.service.http_api.versions import VersionMovedOn

__all__ = ["PROBLEM_RESPONSES", "FieldProblem", "Problem", "add_problem_handlers", "internal_problem", "problem_answer"]

_logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = 5

_STATUSES: tuple[tuple[type[HeadraceError], int, str], ...] = (  # the first class that fits counts
    (NotFound, 404, "There is no such thing"),
    (AlreadyExists, 409, "The name is taken"),
    (VersionMovedOn, 412, "The dataset has moved on"),
    (Conflict, 409, "The state does not allow it"),
    (MissingExtra, 501, "The server lacks a part"),
    (InvalidInput, 400, "The request is wrong"),
    (Unavailable, 503, "Try again"),
    (GateFailed, 409, "A gate failed"),
    (DataCorrupted, 500, "Stored data is damaged"),
    (PermissionDenied, 403, "It is not allowed"),
)


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(description="Where it is, such as `body.tags` or `query.limit`.", examples=["query.limit"])
    reason: str = Field(description="What was expected.", examples=["Input should be less than or equal to 1000"])


class Problem(BaseModel):
    """Why a request was not carried out (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:headrace:problem:not-found",
                    "title": "There is no such thing",
                    "status": 404,
                    "detail": "the lake has no dataset 'intents'.",
                }
            ]
        }
    )

    type: str = Field(description="Kind of the problem: `urn:headrace:problem:` and the stable code of the error.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What happened, to which thing, what was expected and what to do.")
    file: str | None = Field(default=None, description="The file that the problem is in, if there is one.")
    line: int | None = Field(default=None, description="Its line, from 1.")
    column: str | int | None = Field(default=None, description="The column that the problem is in.")
    errors: list[FieldProblem] | None = Field(default=None, description="All fields of the request that are wrong.")
    id: str | None = Field(default=None, description="Of a fault of the server: what its log names it by.")


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {"model": Problem, "description": "Why the request was not carried out."}
}


def problem_answer(problem: Problem, *, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer that tells of a problem."""
    content = problem.model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, status_code=problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def internal_problem(error: Exception) -> JSONResponse:
    """The answer to a fault of ours: it says nothing but the id under which the log has the rest."""
    problem_id = secrets.token_hex(8)
    _logger.error("request failed id=%s", problem_id, exc_info=error)
    return problem_answer(
        Problem(
            type="urn:headrace:problem:internal",
            title="The server failed",
            status=500,
            detail=f"this should not have happened; the server's log says more about {problem_id}",
            id=problem_id,
        )
    )


def add_problem_handlers(application: FastAPI, text: PublicText) -> None:
    """Make every error of the application a problem; `text` says what of its messages may leave the server."""

    async def refused(_: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HeadraceError):
            raise error
        return _refusal(error, text)

    async def wrong_request(_: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RequestValidationError):
            raise error
        return _wrong_request(error)

    async def plain(_: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise error
        status = HTTPStatus(error.status_code)
        problem = Problem(
            type=f"urn:headrace:problem:{status.phrase.lower().replace(' ', '-')}",
            title=status.phrase,
            status=status,
            detail=str(error.detail) if error.detail != status.phrase else status.description or status.phrase,
        )
        return problem_answer(problem, headers=error.headers)

    application.add_exception_handler(HeadraceError, refused)
    application.add_exception_handler(RequestValidationError, wrong_request)
    application.add_exception_handler(HTTPException, plain)


def _refusal(error: HeadraceError, text: PublicText) -> JSONResponse:
    status, title = next(
        ((status, title) for kind, status, title in _STATUSES if isinstance(error, kind)), (500, "The server failed")
    )
    problem = Problem(
        type=f"urn:headrace:problem:{error.code}",
        title=title,
        status=status,
        detail=text.message(error.message),
    )
    if isinstance(error, InvalidInput):
        problem.file = None if error.file is None else text.place(error.file)
        problem.line = error.line
        problem.column = error.column
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        problem.id = secrets.token_hex(8)
        _logger.error("request failed id=%s code=%s error=%s", problem.id, error.code, error)
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return problem_answer(problem, headers=headers)


def _wrong_request(error: RequestValidationError) -> JSONResponse:
    errors = [
        FieldProblem(field=_printable(".".join(map(str, item["loc"]))), reason=_printable(str(item["msg"])))
        for item in error.errors()
    ]
    first = errors[0]
    return problem_answer(
        Problem(
            type="urn:headrace:problem:invalid-input",
            title="The request is wrong",
            status=400,
            detail=f"{first.field}: {first.reason}"
            + (f" (and {len(errors) - 1} more, see `errors`)" if len(errors) > 1 else ""),
            errors=errors,
        )
    )


def _printable(text: str) -> str:
    """Text that can be written as UTF-8, whatever the request held."""
    return text.encode(errors="replace").decode()[:500]
