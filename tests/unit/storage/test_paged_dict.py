"""A mapping over a list in pages behaves as a dict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.storage.paged_dict import PagedDict
from headrace.storage.paged_list import PagedList

_STEPS = st.lists(st.tuples(st.sampled_from(["set", "delete", "copy", "store"]), st.sampled_from("abcdefgh")))


def _empty() -> PagedDict[str]:
    return PagedDict(lambda value: value[0])


@given(_STEPS)
def test_paged_dict_equals_the_plain_one_after_any_changes(steps: list[tuple[str, str]]) -> None:
    plain: dict[str, str] = {}
    paged = _empty()
    copies: list[tuple[dict[str, str], PagedDict[str]]] = []
    for number, (step, key) in enumerate(steps):
        match step:
            case "set":
                plain[key] = paged[key] = f"{key}{number}"
            case "delete" if key in plain:
                del plain[key], paged[key]
            case "copy":
                copies.append((plain.copy(), paged.copy()))
            case _:
                values = PagedList(paged.paged_values)
                paged = _empty().of_values(values)
    for expected, found in [*copies, (plain, paged)]:
        assert found == expected
        assert list(found.items()) == list(expected.items())
        assert len(found) == len(expected)
        assert all(key in found for key in expected)


def test_adding_does_not_look_at_what_is_there() -> None:
    paged = _empty()
    paged.add("a1")
    copy = paged.copy()
    assert paged["a"] == "a1"
    paged.add("b1")
    assert (list(paged), list(copy)) == (["a", "b"], ["a"])
    with pytest.raises(KeyError):
        copy["b"]
