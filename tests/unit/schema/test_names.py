"""What things may be called."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInput
from headrace.schema.names import (
    check_alias_name,
    check_column_name,
    check_dataset_name,
    is_dataset_id,
)


@pytest.mark.parametrize("name", ["a", "_", "Photos", "a.b-c_d9", "x" * 100])
def test_dataset_name_is_given_back(name: str) -> None:
    assert check_dataset_name(name) == name
    assert check_alias_name(name) == name
    assert not is_dataset_id(name)


@pytest.mark.parametrize(
    "name", ["", "1", "1a", "-a", ".a", "a b", "a/b", "a::b", "a@b", "ü", "a\n", "a\x00", "x" * 101, "٣"]
)
def test_dataset_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be a dataset name: expected a letter"):
        check_dataset_name(name)
    with pytest.raises(InvalidInput, match="alias"):
        check_alias_name(name)


@pytest.mark.parametrize("name", [None, 3, b"a"])
def test_dataset_name_must_be_text(name: object) -> None:
    with pytest.raises(InvalidInput):
        check_dataset_name(name)  # type: ignore[arg-type]


@given(st.text(max_size=5))
def test_dataset_name_is_never_an_id(text: str) -> None:
    try:
        check_dataset_name(text)
    except InvalidInput:
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", text) is None
    else:
        assert not is_dataset_id(text)


@pytest.mark.parametrize(("text", "is_id"), [("1", True), ("27", True), ("", False), ("٣", False), ("1.0", False)])
def test_dataset_id_is_ascii_digits(text: str, *, is_id: bool) -> None:
    assert is_dataset_id(text) is is_id


@pytest.mark.parametrize("name", ["text", "größe", "日本", "a b", "a.b", "x" * 255])
def test_column_name_may_be_any_printable_text(name: str) -> None:
    assert check_column_name(name) == name


@pytest.mark.parametrize("name", ["", "_id", "_x", "a\n", "a\x00", "x" * 256, "ü" * 128, "\ud800"])
def test_column_name_that_is_reserved_or_unprintable_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="rename the column"):
        check_column_name(name)
