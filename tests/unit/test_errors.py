"""Errors cross process borders and carry their place."""

from __future__ import annotations

import pickle

import pytest

from headrace import errors
from headrace.errors import HeadraceError, InvalidInput

_CLASSES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", _CLASSES)
def test_error_is_rebuilt_from_its_message(kind: type[HeadraceError]) -> None:
    error = kind("photos/a.jpg: broken")
    assert str(kind(str(error))) == str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == again.message == "photos/a.jpg: broken"


def test_codes_are_distinct_and_exit_codes_stand_in_the_api() -> None:
    codes = [kind.code for kind in _CLASSES]
    assert len(set(codes)) == len(codes)
    assert {kind.__name__: kind.exit_code for kind in _CLASSES} == {
        "AlreadyExists": 5,
        "Conflict": 5,
        "DataCorrupted": 1,
        "GateFailed": 6,
        "HeadraceError": 1,
        "InvalidInput": 2,
        "MissingExtra": 2,
        "NotFound": 3,
        "PermissionDenied": 4,
        "Unavailable": 7,
    }


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "bad"),
        ({"file": "a.csv"}, "a.csv: bad"),
        ({"file": "a.csv", "line": 7}, "a.csv:7: bad"),
        ({"line": 7}, "line 7: bad"),
        ({"file": "a.csv", "line": 7, "column": 3}, "a.csv:7:3: bad"),
        ({"file": "a.csv", "line": 7, "column": "label"}, "a.csv:7 [column label]: bad"),
        ({"column": "label"}, "column label: bad"),
    ],
)
def test_invalid_input_says_where(place: dict[str, str | int], text: str) -> None:
    error = InvalidInput("bad", **place)  # type: ignore[arg-type]
    assert str(error) == text
    assert (error.file, error.line, error.column) == (place.get("file"), place.get("line"), place.get("column"))


def test_invalid_input_keeps_its_text_when_pickled() -> None:
    error = InvalidInput("bad", file="a.csv", line=7)
    assert str(pickle.loads(pickle.dumps(error))) == "a.csv:7: bad"


def test_errors_are_built_in_ones_where_that_helps() -> None:
    with pytest.raises(LookupError):
        raise errors.NotFound("x")
    with pytest.raises(ValueError):
        raise errors.InvalidInput("x")
