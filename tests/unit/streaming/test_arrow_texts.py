"""Looks at texts as bytes find what looking at each text finds."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headrace.streaming.arrow_texts import holds_character, holds_empty, no_text, text


@pytest.mark.parametrize(
    ("values", "has_colon", "has_empty"),
    [
        (["a:b", "c"], True, False),
        (["ä", "b"], False, False),
        (["a", None], False, True),
        (["", "x:"], True, True),
        ([None, None], False, True),
        ([], False, False),
        (["x" * 300_000 + ":"], True, False),
    ],
)
def test_texts_are_searched(values: list[str | None], has_colon: bool, has_empty: bool) -> None:
    array = pa.array(values, pa.string())
    assert holds_character(array, ":") is has_colon
    assert holds_empty(array) is has_empty


def test_slice_is_searched_for_itself() -> None:
    array = pa.array(["a:b", "c", "", "d:"], pa.string())
    assert not holds_character(array[1:3], ":")
    assert not holds_empty(array[0:2])
    assert holds_character(array[3:], ":")


@pytest.mark.parametrize("value", ["", "a", "é/ü"])
def test_text_is_a_scalar(value: str) -> None:
    assert text(value) == pa.scalar(value, pa.string())
    assert no_text() == pa.scalar(None, pa.string())
