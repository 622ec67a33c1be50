"""Plain values have one form each."""

from __future__ import annotations

import datetime as dt
import enum
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.source.plain_values import is_plain, plain_form
from headrace.storage.canonical import canonical_json


class Colour(enum.Enum):
    RED = 1


VALUES = [
    None, True, 1, 1.0, "1", b"1", 2**80, [1], {1}, {"a": 1}, {1: "a"}, 1j, ..., range(1), slice(1), re.compile("a"),
    re.compile("a", re.IGNORECASE), dt.date(2026, 1, 1), Colour.RED, float("nan"), float("inf"), -0.0, 0.0, 0, False,
]  # fmt: skip


def test_values_that_behave_differently_differ() -> None:
    forms = [canonical_json(plain_form(value)) for value in VALUES]
    assert len(set(forms)) == len(VALUES)


@pytest.mark.parametrize(
    "value", [object(), [object()], {"a": lambda: 1}, open], ids=["object", "in a list", "function", "builtin"]
)
def test_other_values_are_refused(value: object) -> None:
    assert not is_plain(value)
    with pytest.raises(TypeError):
        plain_form(value)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), PLAIN), st.randoms())
def test_order_of_keys_does_not_count(value: dict[str, object], random: object) -> None:
    keys = list(value)
    random.shuffle(keys)  # type: ignore[attr-defined]  # hypothesis hands a random.Random in
    assert plain_form({key: value[key] for key in keys}) == plain_form(value)


@given(PLAIN)
def test_form_is_json_without_floats(value: object) -> None:
    assert json.loads(canonical_json(plain_form(value))) == plain_form(value)
