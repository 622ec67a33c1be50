"""Which rows a filter or keys mean."""

from __future__ import annotations

from typing import Any

import pytest

import headrace
from headrace.datasets.addresses import EMPTY
from headrace.datasets.dataset import Dataset
from headrace.datasets.row_matching import check_condition, match_rows
from headrace.errors import InvalidInput, NotFound
from tests.scripted_store import fresh_memory_uri


def _dataset(rule: str, *commits: list[dict[str, Any]]) -> Dataset:
    lake = headrace.connect(fresh_memory_uri())
    dataset = lake.create_dataset("d", type="TABLE", key="id", on_duplicate_key=rule, source=commits[0])
    for rows in commits[1:]:
        dataset.commit(rows)
    return dataset


def _match(dataset: Dataset, *, where: str | None = None, keys: list[str] | None = None) -> dict[int, list[int]]:
    found = match_rows(dataset, dataset.state().commits, left_out=EMPTY, where=where, keys=keys)
    return {group: ordinals.tolist() for group, ordinals in found.items()}


_FIRST = [{"id": "a", "v": 1}, {"id": "b", "v": 2}]
_SECOND = [{"id": "a", "v": 3}, {"id": "c", "v": 1}]


def test_filter_matches_rows() -> None:
    kept = _dataset("keep", _FIRST, _SECOND)
    assert _match(kept, where="v = 1") == {1: [0], 2: [1]}
    assert _match(kept, where="v > 9") == {}
    assert _match(kept, where="id = 'a'") == {1: [0], 2: [0]}


def test_filter_asks_the_newest_row_and_means_all_of_its_key() -> None:
    replaced = _dataset("replace", _FIRST, _SECOND)
    assert _match(replaced, where="v = 1") == {2: [1]}, "a's older row with v = 1 is replaced"
    assert _match(replaced, where="v = 3") == {1: [0], 2: [0]}


def test_key_matches_in_every_commit_and_id_in_one() -> None:
    kept = _dataset("keep", _FIRST, _SECOND)
    assert _match(kept, keys=["a"]) == {1: [0], 2: [0]}
    assert _match(kept, keys=["2:a", "1:b"]) == {1: [1], 2: [0]}
    assert _match(kept, keys=["c", "c"]) == {2: [1]}


def test_text_that_is_an_id_means_no_other_row() -> None:
    kept = _dataset("keep", [{"id": "x", "v": 1}, {"id": "1:x", "v": 2}], [{"id": "1:x", "v": 3}])
    assert _match(kept, keys=["1:x"]) == {1: [0]}
    assert _match(kept, keys=["1:1:x"]) == {1: [1]}
    assert _match(kept, keys=["2:1:x"]) == {2: [0]}


def test_key_that_looks_like_an_id_is_a_key_where_ids_are_keys() -> None:
    replaced = _dataset("replace", [{"id": "x", "v": 1}, {"id": "1:x", "v": 2}])
    assert _match(replaced, keys=["1:x"]) == {1: [1]}
    with pytest.raises(NotFound, match="'1:1:x'"):
        _match(replaced, keys=["1:1:x"])


def test_unknown_key_is_told_with_what_is_near() -> None:
    kept = _dataset("keep", [{"id": "alpha", "v": 1}])
    with pytest.raises(NotFound, match=r"no row with the key 'alpah' and 1 more.*'alpha'"):
        _match(kept, keys=["alpah", "other"])


def test_rows_left_out_do_not_count() -> None:
    kept = _dataset("keep", _FIRST, _SECOND)
    left_out = match_rows(kept, kept.state().commits, left_out=EMPTY, where=None, keys=["1:a"])
    found = match_rows(kept, kept.state().commits, left_out=left_out, where=None, keys=["a"])
    assert {group: ordinals.tolist() for group, ordinals in found.items()} == {2: [0]}


def test_condition_is_checked() -> None:
    assert check_condition(None, iter([1, "b"])) == ["1", "b"]
    assert check_condition("v = 1", None) is None
    for where, keys in ((None, None), ("v = 1", ["a"]), (None, "a"), (None, b"a"), (None, [])):
        with pytest.raises(InvalidInput):
            check_condition(where, keys)
