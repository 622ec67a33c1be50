"""Tags choose commits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInput
from headrace.schema.tags import has_tags, normalise_tags, parse_tag, tags_by_key


@pytest.mark.parametrize(("text", "tag"), [("a=b", ("a", "b")), ("a=b=c", ("a", "b=c")), ("a=", ("a", ""))])
def test_parse_tag_splits_at_the_first_sign(text: str, tag: tuple[str, str]) -> None:
    assert parse_tag(text) == tag


@pytest.mark.parametrize("text", ["", "a", "=b"])
def test_parse_tag_shows_the_form(text: str) -> None:
    with pytest.raises(InvalidInput, match="KEY=VALUE"):
        parse_tag(text)


def test_normalise_tags_sorts_and_drops_repeats() -> None:
    assert normalise_tags([("b", "2"), ("a", "1"), ("b", "1"), ("a", "1")]) == (("a", "1"), ("b", "1"), ("b", "2"))
    assert normalise_tags({"b": "2", "a": "1"}) == (("a", "1"), ("b", "2"))
    assert normalise_tags(None) == normalise_tags({}) == ()


@pytest.mark.parametrize(
    "tags",
    [
        "a=b",
        5,
        ["ab"],
        [("a",)],
        [("a", "b", "c")],
        {"a": 1},
        {"a": [1]},
        {"a": [["b"]]},
        {"a": b"b"},
        {1: "a"},
        {"": "b"},
        {"a=b": "c"},
        {"a": "\n"},
        {"a": "\ud800"},
        {"a" * 1025: "b"},
        [("k", str(idx)) for idx in range(1001)],
    ],
)
def test_normalise_tags_refuses_what_cannot_be_a_tag(tags: Any) -> None:
    with pytest.raises(InvalidInput, match="tag"):
        normalise_tags(tags)


_PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12")), max_size=5)


@given(_PAIRS, _PAIRS)
def test_has_tags_needs_every_pair(tags: list[tuple[str, str]], wanted: list[tuple[str, str]]) -> None:
    assert has_tags(tags, wanted) is all(pair in tags for pair in wanted)


def test_has_tags_compares_case() -> None:
    assert not has_tags([("Category", "aaa")], [("category", "aaa")])
    assert has_tags([("a", "1"), ("a", "2")], [("a", "2")])
    assert has_tags([], [])


@given(_PAIRS)
def test_tags_by_key_lose_nothing(pairs: list[tuple[str, str]]) -> None:
    tags = normalise_tags(pairs)
    assert normalise_tags(tags_by_key(tags)) == tags


def test_key_with_several_values_has_a_list() -> None:
    assert tags_by_key([("a", "2"), ("b", "x"), ("a", "1")]) == {"a": ["1", "2"], "b": "x"}
    assert normalise_tags({"a": ["1", "2"], "b": "x"}) == (("a", "1"), ("a", "2"), ("b", "x"))
