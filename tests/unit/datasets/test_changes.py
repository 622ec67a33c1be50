"""`Dataset.changes`: what a reader that follows a dataset is told, on a lake in memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

import headrace
from headrace.datasets.changes import Changes
from headrace.datasets.dataset import Dataset
from headrace.errors import InvalidInput, NotFound

_SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), ("value", pa.int64())])


def _rows(*pairs: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"id": key, "value": value} for key, value in pairs]


@pytest.fixture(params=["keep", "replace"])
def dataset(request: pytest.FixtureRequest) -> Dataset:
    lake = headrace.connect(f"memory://changes-{uuid.uuid4().hex}")
    return lake.create_dataset("rows", schema=_SCHEMA, key="id", on_duplicate_key=request.param)


def _values(rows: Any) -> list[int]:
    return [value.as_py() for value in rows.to_arrow(["value"]).column("value")]


def _outline(found: Changes) -> tuple[list[str], list[int], list[int], int]:
    operations = [entry.operation for entry in found.entries]
    return operations, _values(found.added), _values(found.removed), found.purged.num_rows


def test_changes_tell_commits_and_deletions_after_a_commit(dataset: Dataset) -> None:
    dataset.commit(_rows(("a", 1), ("b", 2)))
    dataset.commit(_rows(("c", 3)))
    dataset.commit(_rows(("d", 4), ("e", 5)), message="third")
    dataset.delete_rows(where="value = 1 OR value = 5")
    dataset.delete_commit("2")
    found = dataset.changes(since="2")
    assert _outline(found) == (["commit", "delete-rows", "delete-commit"], [4], [1, 3], 0)
    assert [(commit.id, commit.message) for commit in found.commits] == [("3", "third")]
    assert found.added.num_rows == 1
    assert len(found.removed) == 2
    table = found.removed.to_arrow()
    assert table.select(["_commit", "_ordinal"]).to_pylist() == [
        {"_commit": "1", "_ordinal": 0},
        {"_commit": "2", "_ordinal": 0},
    ]
    assert dataset.changes(found.until).to_json()["entries"] == []
    assert not dataset.changes(found.until)
    assert dataset.changes(found.until).until == found.until


def test_changes_tell_restored_and_reverted_rows(dataset: Dataset) -> None:
    dataset.commit(_rows(("a", 1), ("b", 2)))
    dataset.commit(_rows(("c", 3)))
    dataset.delete_rows(keys=["a"])
    dataset.delete_commit("2")
    cursor = dataset.changes("0").until
    dataset.restore_rows()
    dataset.restore_commit("2")
    found = dataset.changes(cursor)
    assert _outline(found) == (["restore-rows", "restore-commit"], [1, 3], [], 0)
    dataset.revert(to="1")
    assert _outline(dataset.changes(found.until)) == (["revert"], [], [3], 0)


def test_replaced_row_is_removed_and_its_successor_added() -> None:
    dataset = headrace.connect(f"memory://changes-{uuid.uuid4().hex}").create_dataset("rows", schema=_SCHEMA, key="id")
    dataset.commit(_rows(("a", 1), ("b", 2)))
    dataset.commit(_rows(("a", 10)))
    found = dataset.changes("1")
    assert _outline(found) == (["commit"], [10], [1], 0)
    assert [rows.to_arrow(["_id"]).column("_id").to_pylist() for rows in (found.added, found.removed)] == [["a"], ["a"]]
    dataset.delete_commit("2")
    assert _outline(dataset.changes(found.until)) == (["delete-commit"], [1], [10], 0)


def test_purged_rows_are_told_once_and_by_address(dataset: Dataset) -> None:
    dataset.commit(_rows(("a", 1), ("b", 2), ("c", 3)))
    dataset.delete_rows(keys=["c"])
    cursor = dataset.changes("0").until
    dataset.purge(keys=["a"])
    dataset.purge(where="value = 3")  # hidden before, so the reader does not know it
    found = dataset.changes(cursor)
    assert _outline(found) == (["purge", "purge"], [], [], 1)
    assert [(number, rows.tolist()) for number, rows in found.purged.items()] == [(1, [0])]
    assert dataset.changes(found.until).purged.num_rows == 0
    assert _outline(dataset.changes("0"))[1:] == ([2], [], 0)


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
def test_reader_that_follows_has_what_a_snapshot_has(dataset: Dataset, stride: int) -> None:
    """Whatever the steps, and however many of them lie between two looks."""
    steps: list[Callable[[], object]] = [
        lambda: dataset.commit(_rows(("a", 1), ("b", 2), ("c", 3))),
        lambda: dataset.commit(_rows(("b", 20), ("d", 4))),
        lambda: dataset.delete_rows(keys=["a"]),
        lambda: dataset.snapshot().alias("train"),
        lambda: dataset.delete_commit("2"),
        lambda: dataset.purge(keys=["c"]),
        lambda: dataset.commit(_rows(("a", 100), ("e", 5))),
        lambda: dataset.restore_commit("2"),
        lambda: dataset.restore_rows(),
        lambda: dataset.compact(),
        lambda: dataset.revert(to="2"),
        lambda: dataset.commit(_rows(("a", 7))),
    ]
    held: dict[tuple[str, int], int] = {}
    cursor = "0"
    for number, step in enumerate(steps, 1):
        step()
        if number % stride:
            continue
        found = dataset.changes(cursor)
        assert cursor in ("0", found.since)
        cursor = found.until
        for commit, ordinals in found.purged.items():
            for ordinal in ordinals.tolist():
                del held[str(commit), ordinal]
        for row in found.removed.to_arrow().to_pylist():
            del held[row["_commit"], row["_ordinal"]]
        for row in found.added.to_arrow().to_pylist():
            assert (row["_commit"], row["_ordinal"]) not in held
            held[row["_commit"], row["_ordinal"]] = row["value"]
        assert sorted(held.values()) == sorted(_values(dataset.select()))


def test_changes_since_a_time_begin_after_the_last_entry_until_then(dataset: Dataset) -> None:
    first = dataset.commit(_rows(("a", 1)))
    dataset.delete_rows(keys=["a"])
    dataset.commit(_rows(("b", 2)))
    assert _outline(dataset.changes(first.created_at)) == (["delete-rows", "commit"], [2], [1], 0)
    assert _outline(dataset.changes("1999-01-01T00:00:00Z"))[1:] == ([2], [], 0)
    assert dataset.changes("1999-01-01T00:00:00Z").since == "entry:0"
    assert not dataset.changes("2999-01-01T00:00:00Z")


def test_places_that_do_not_exist_are_refused(dataset: Dataset) -> None:
    dataset.commit(_rows(("a", 1)))
    with pytest.raises(NotFound, match="no commit '2'"):
        dataset.changes("2")
    with pytest.raises(NotFound, match="cannot come from it"):
        dataset.changes("entry:99")
    with pytest.raises(InvalidInput, match="expected a commit id such as"):
        dataset.changes("yesterday")


def test_changes_show_themselves(dataset: Dataset) -> None:
    dataset.commit(_rows(("a", 1)))
    found = dataset.changes(0)
    assert repr(found) == "<Changes of 'rows' from entry:0 to entry:2: 1 added, 0 removed, 0 purged>"
    assert "entry:2" in found._repr_html_()
