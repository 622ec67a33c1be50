"""Checkpoints of long logs; how logs use them is in test_log.py."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import DataCorrupted, Unavailable
from headrace.storage.checkpoints import INTERVAL, Checkpoints, ListForm
from headrace.storage.paged_list import PagedList
from headrace.storage.sealed import seal
from tests.scripted_store import ScriptedStore

_BASE = "datasets/a/"


class _NumbersForm:
    """A state that is a list of numbers."""

    version = "1"
    interval = INTERVAL
    at_once = frozenset[str]()

    def __init__(self, version: str = "1") -> None:
        self.version = version
        self.lists = {"numbers": ListForm(list, list)}

    def head(self, state: PagedList[int]) -> Any:
        return {}

    def paged_lists(self, state: PagedList[int]) -> Mapping[str, PagedList[Any]]:
        return {"numbers": state}

    def state(self, head: Any, lists: Mapping[str, PagedList[Any]]) -> PagedList[int]:
        return lists["numbers"]


def _never(number: int) -> PagedList[int]:
    raise AssertionError("the log was read")


def _checkpoints(store: ScriptedStore, version: str = "1") -> Checkpoints[PagedList[int]]:
    return Checkpoints(store, _BASE, _NumbersForm(version))


def _written(store: ScriptedStore, upto: int) -> Checkpoints[PagedList[int]]:
    checkpoints = _checkpoints(store)
    numbers: PagedList[int] = PagedList()
    for number in range(1, upto + 1):
        numbers.append(number)
        checkpoints.write_if_due(number, f"d{number}", time=number, operation="add", state=numbers)
    return checkpoints


@pytest.mark.parametrize("number", [8, 32, 40, 264, 2_064])
def test_newest_checkpoint_gives_the_state(number: int) -> None:
    store = ScriptedStore()
    checkpoints = _written(store, number)
    found = list(checkpoints.newest(rebuild=_never))
    assert [item.number for item in found] == [number, number - INTERVAL][: number // INTERVAL]
    assert (found[0].digest, found[0].time) == (f"d{number}", number)
    assert found[0].state == PagedList(range(1, number + 1))
    checkpoints.check(lambda upto: (PagedList(range(1, upto + 1)), f"d{upto}"))


def test_full_pages_are_written_once() -> None:
    store = ScriptedStore()
    _written(store, 2_064)
    assert len(store.keys_put) == len(set(store.keys_put))
    pages = [key for key in store.keys_put if "/pages/" in key]
    assert len(pages) < 2_064 / 32 + 2_064 / 256 + 2
    assert len(store.keys_put) - len(pages) == 2_064 // INTERVAL
    heads = [key for key in store.keys_put if "/pages/" not in key]
    assert max(len(store.get(key)) for key in heads) < 2_000


def test_no_checkpoint_is_written_between_the_intervals() -> None:
    store = ScriptedStore()
    _written(store, INTERVAL - 1)
    assert store.contents() == {}
    assert list(_checkpoints(store).newest(rebuild=_never)) == []
    _written(store, 5 * INTERVAL)
    assert {re.sub("[0-9a-f]{64}", "DIGEST", key) for key in store.contents()} == {
        *(f"{_BASE}checkpoints/9999999/{9_999_999_999 - number:010d}.json" for number in range(8, 41, 8)),
        f"{_BASE}checkpoints/pages/DIGEST.json",
    }


def test_strange_files_beside_checkpoints_are_ignored() -> None:
    store = ScriptedStore()
    checkpoints = _written(store, INTERVAL)
    for name in (".DS_Store", "0readme.txt", "9999999/copy of 9999999991.json", "pages/x"):
        store.replace(f"{_BASE}checkpoints/{name}", b"x")
    assert [item.number for item in checkpoints.newest(rebuild=_never)] == [INTERVAL]
    assert f"{_BASE}checkpoints/.DS_Store" not in str(checkpoints.superseded(older_than=1e12))


@settings(max_examples=30)
@given(st.integers(0, 1 << 20))
def test_flipped_bit_is_named_by_the_check(bit: int) -> None:
    store = ScriptedStore()
    checkpoints = _written(store, 5 * INTERVAL)
    for key in list(store.contents()):
        before = store.contents()[key]
        store.flip_bit(key, bit)
        with pytest.raises(DataCorrupted, match=key):
            checkpoints.check(lambda upto: (PagedList(range(1, upto + 1)), f"d{upto}"))
        store.replace(key, before)


def test_damaged_pages_cost_one_replay(caplog: pytest.LogCaptureFixture) -> None:
    store = ScriptedStore()
    _written(store, 320)
    for key in [key for key in store.contents() if "/pages/" in key]:
        store.flip_bit(key, 77)
    replayed: list[int] = []

    def rebuild(number: int) -> PagedList[int]:
        replayed.append(number)
        return PagedList(range(1, number + 1))

    checkpoint = next(_checkpoints(store).newest(rebuild=rebuild))
    assert replayed == []
    with caplog.at_level(logging.WARNING):
        assert checkpoint.state == list(range(1, 321))
    assert replayed == [320]
    assert "page of a checkpoint ignored" in caplog.text


def test_log_that_is_shorter_than_its_checkpoint_is_told() -> None:
    store = ScriptedStore()
    _written(store, 40)
    store.delete(next(key for key in store.contents() if "/pages/" in key))
    state = next(_checkpoints(store).newest(rebuild=lambda _: PagedList([1]))).state
    assert state is not None
    with pytest.raises(Unavailable, match="delete this folder"):
        list(state)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"format": 1, "segments": 5, "number": 64, "digest": "d"},
        {"format": 2, "state_version": "1", "number": 64, "digest": "d", "time": 1, "state": {}, "lists": {}},
        {
            "format": 2, "state_version": "1", "number": 64, "digest": "d", "time": 1, "state": {},
            "lists": {"numbers": {"pages": [[64, "x"]], "rest": []}},
        },
    ],
)  # fmt: skip
def test_checkpoint_of_another_shape_is_passed_over(document: dict[str, object]) -> None:
    store = ScriptedStore()
    _written(store, INTERVAL)
    store.replace(f"{_BASE}checkpoints/9999999/9999999935.json", seal(document))
    assert [item.number for item in _checkpoints(store).newest(rebuild=_never)] == [INTERVAL]
    with pytest.raises(DataCorrupted, match="9999999935"):
        _checkpoints(store).check(lambda upto: (PagedList(range(1, upto + 1)), f"d{upto}"))


@pytest.mark.parametrize(("format_number", "state_version"), [(2, "2"), (3, "1")])
def test_checkpoint_of_another_version_is_no_damage(
    format_number: int, state_version: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = ScriptedStore()
    _written(store, INTERVAL)
    document = {"format": format_number, "state_version": state_version, "number": 64, "digest": "d"}
    store.replace(f"{_BASE}checkpoints/9999999/9999999935.json", seal(document))
    with caplog.at_level(logging.WARNING):
        assert [item.number for item in _checkpoints(store).newest(rebuild=_never)] == [INTERVAL]
        _checkpoints(store).check(lambda upto: (PagedList(range(1, upto + 1)), f"d{upto}"))
    assert not caplog.records
