"""References as users type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInput
from headrace.schema.references import Reference, Selector


@pytest.mark.parametrize(
    ("text", "lake", "dataset", "selector"),
    [
        ("intents", None, "intents", Selector()),
        ("7", None, "7", Selector()),
        ("data/lake::intents", "data/lake", "intents", Selector()),
        ("s3://bucket/a::intents@prod", "s3://bucket/a", "intents", Selector("alias", "prod")),
        ("a::b::c", "a::b", "c", Selector()),
        ("/l::x@id:0123abcd", "/l", "x", Selector("id", "0123abcd")),
        ("x@upto:12", None, "x", Selector("upto", "12")),
        ("x@{2026-11-01T00:00:00Z}", None, "x", Selector("time", "2026-11-01T00:00:00Z")),
        ("x@{2026-11-01}", None, "x", Selector("time", "2026-11-01")),
    ],
)
def test_reference_reads_each_form(text: str, lake: str | None, dataset: str, selector: Selector) -> None:
    reference = Reference.parse(text)
    assert reference == Reference(lake, dataset, selector)
    assert str(reference) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no dataset"),
        ("lake::", "names no dataset"),
        ("::x", "names no lake"),
        ("@prod", "names no dataset"),
        ("x@", "nothing after '@'"),
        ("data/lake", "path without a dataset"),
        ("lake::a/b", "cannot be a dataset name"),
        ("x@a b", "cannot be an alias"),
        ("x@id:abc", "8 to 64 hex digits"),
        ("x@id:ABCDEF01", "lower case"),
        ("x@id:" + "a" * 65, "8 to 64"),
        ("x@upto:0", "whole number from 1"),
        ("x@upto:01", "whole number from 1"),
        ("x@upto:two", "whole number from 1"),
        ("x@upto:" + "9" * 30, "whole number from 1"),
        ("x@since:2", "unknown selector 'since:'"),
        ("x@{soon}", "is no time"),
        ("x@{}", "is no time"),
        ("x@a@b", "cannot be an alias"),
    ],
)
def test_reference_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        Reference.parse(text)


def test_reference_lists_the_forms() -> None:
    with pytest.raises(InvalidInput, match=r"@alias, @id:HEX, @upto:N or @\{2026"):
        Reference.parse("lake::x@nope:1")


def test_default_lake_is_used_only_where_none_is_named() -> None:
    assert Reference.parse("x", default_lake="/lake").lake == "/lake"
    assert Reference.parse("/other::x", default_lake="/lake").lake == "/other"


_SELECTORS = st.one_of(
    st.just(Selector()),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,20}", fullmatch=True).map(lambda name: Selector("alias", name)),
    st.from_regex(r"[0-9a-f]{8,64}", fullmatch=True).map(lambda text: Selector("id", text)),
    st.integers(1, 10**17).map(lambda number: Selector("upto", str(number))),
)


@given(
    st.one_of(st.none(), st.sampled_from(["/a/b", "s3://b/c", "memory://m", "a::b"])),
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}|[0-9]{1,9}", fullmatch=True),
    _SELECTORS,
)
def test_reference_text_reads_back(lake: str | None, dataset: str, selector: Selector) -> None:
    reference = Reference(lake, dataset, selector)
    assert Reference.parse(str(reference)) == reference


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidInput:
        return
    assert Reference.parse(str(reference)) == reference
