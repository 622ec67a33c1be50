"""One byte form for a JSON document."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import DataCorrupted
from headrace.storage.canonical import canonical_json, read_json

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=12,
)


def _reference(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@given(_DOCUMENTS)
def test_canonical_json_is_what_python_writes_sorted_and_tight(document: Any) -> None:
    data = canonical_json(document)
    # The two differ only in how control characters are escaped.
    assert json.loads(data) == document == read_json(data, name="x")
    if data.isascii() and b"\\" not in data and b"\x7f" not in data:
        assert data == _reference(document)


@given(st.dictionaries(_TEXT, st.integers(0, 9), min_size=2, max_size=6))
def test_canonical_json_does_not_depend_on_the_order_of_keys(document: dict[str, int]) -> None:
    assert canonical_json(document) == canonical_json(dict(reversed(document.items())))


def test_canonical_json_sorts_by_code_point_and_does_not_escape() -> None:
    assert canonical_json({"ü": 1, "z": 2, "A": "日本"}) == '{"A":"日本","z":2,"ü":1}'.encode()


@pytest.mark.parametrize("document", [1.5, {"a": [1, {"b": 0.0}]}, [float("nan")], ({"x": (1.0,)},)])
def test_canonical_json_refuses_floats_at_any_depth(document: Any) -> None:
    with pytest.raises(TypeError, match="float"):
        canonical_json(document)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"{'a':1}", b'{"a":1}x', b'"' + b"a" * 9])
def test_read_json_names_the_object(data: bytes) -> None:
    with pytest.raises(DataCorrupted, match="lake/objects/ab is not JSON"):
        read_json(data, name="lake/objects/ab")


def test_read_json_survives_deep_nesting() -> None:
    depth = sys.getrecursionlimit() * 3
    with pytest.raises(DataCorrupted):
        read_json(b"[" * depth + b"]" * depth, name="x")
