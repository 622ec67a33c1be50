"""Soft deletion: new selections change, snapshots do not."""

from __future__ import annotations

from typing import Any

import pytest

import headrace
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.errors import Conflict, InvalidInput, NotFound
from tests.aging_store import AgingStore
from tests.scripted_store import fresh_memory_uri

_COMMITS = ([{"id": "a", "v": 1}, {"id": "b", "v": 2}], [{"id": "a", "v": 3}], [{"id": "c", "v": 4}])


def _dataset(lake: Lake | None = None, *, rule: str = "keep") -> Dataset:
    lake = lake or headrace.connect(fresh_memory_uri())
    dataset = lake.create_dataset("d", type="TABLE", key="id", on_duplicate_key=rule, source=_COMMITS[0])
    for rows in _COMMITS[1:]:
        dataset.commit(rows)
    return dataset


def _values(dataset: Dataset, **choice: Any) -> list[int]:
    values: list[int] = dataset.select(**choice).to_arrow(["v"]).column("v").to_pylist()
    return values


def test_deleted_commit_leaves_new_selections_and_comes_back() -> None:
    dataset = _dataset()
    before = dataset.snapshot()
    dataset.delete_commit("2")
    assert [commit.is_deleted for commit in dataset.log()] == [False, True, False]
    assert _values(dataset) == [1, 2, 4]
    assert dataset.logged_snapshot(before.id).num_rows == before.num_rows == 4
    assert (dataset.num_rows, dataset.to_json()["num_commits"], dataset.to_json()["num_deleted_commits"]) == (3, 2, 1)
    with pytest.raises(Conflict, match="deleted already"):
        dataset.delete_commit(2)
    dataset.restore_commit(2)
    assert dataset.select().id == before.id
    with pytest.raises(Conflict, match="not deleted"):
        dataset.restore_commit(2)
    with pytest.raises(NotFound, match="there is no commit '4'"):
        dataset.delete_commit(4)


def test_dry_runs_write_nothing() -> None:
    dataset = _dataset()
    before = dataset.log_of_entries.digest
    assert dataset.delete_rows(where="v > 2", dry_run=True) == 2
    dataset.delete_commit(1, dry_run=True)
    with pytest.raises(NotFound):
        dataset.delete_commit(9, dry_run=True)
    dataset.state()
    assert dataset.log_of_entries.digest == before


def test_deleted_rows_leave_new_selections_and_come_back() -> None:
    dataset = _dataset()
    before = dataset.snapshot()
    assert dataset.delete_rows(where="v >= 3") == 2
    assert dataset.delete_rows(where="v >= 3") == 0, "nothing visible is left to delete"
    assert _values(dataset) == [1, 2]
    assert before.to_arrow(["v"]).column("v").to_pylist() == [1, 2, 3, 4]
    assert dataset.delete_rows(keys=["b"]) == 1
    assert (dataset.num_rows, dataset.to_json()["num_deleted_rows"]) == (1, 3)
    assert dataset.restore_rows(where="v = 4") == 1
    assert dataset.restore_rows(keys=["1:b"]) == 1
    assert _values(dataset) == [1, 2, 4]
    with pytest.raises(NotFound):
        dataset.restore_rows(keys=["b"])
    assert dataset.restore_rows() == 1
    assert dataset.restore_rows() == 0
    assert dataset.select().id == before.id
    with pytest.raises(InvalidInput):
        dataset.delete_rows()
    with pytest.raises(InvalidInput):
        dataset.delete_rows(where="nonsense(", keys=None)


def test_same_rows_deleted_in_other_steps_give_the_same_snapshot() -> None:
    first, second = _dataset(), _dataset()
    first.delete_rows(where="v >= 2")
    second.delete_rows(keys=["b"])
    second.delete_rows(where="v = 4")
    second.delete_rows(where="v = 3")
    assert first.snapshot().id == second.snapshot().id != _dataset().snapshot().id


def test_leaving_out_the_newest_row_of_a_key_brings_no_older_one_back() -> None:
    dataset = _dataset(rule="replace")
    assert sorted(_values(dataset)) == [2, 3, 4]
    assert dataset.delete_rows(where="v = 1") == 0, "that row is replaced, nobody sees it"
    assert dataset.delete_rows(where="v = 3") == 2
    assert sorted(_values(dataset)) == [2, 4]
    dataset.commit([{"id": "a", "v": 5}])
    assert sorted(_values(dataset)) == [2, 4, 5], "a key can come again"
    assert dataset.restore_rows(keys=["a"]) == 2
    assert sorted(_values(dataset)) == [2, 4, 5]


def test_deleted_rows_of_a_deleted_commit_stay_deleted() -> None:
    dataset = _dataset()
    dataset.delete_rows(where="v = 3")
    dataset.delete_commit(2)
    assert (dataset.restore_rows(), dataset.to_json()["num_deleted_rows"]) == (0, 0)
    dataset.restore_commit(2)
    assert _values(dataset) == [1, 2, 4]


def test_revert_shows_what_was_visible_right_after_a_commit() -> None:
    dataset = _dataset()
    dataset.delete_rows(where="v = 1")
    dataset.commit([{"id": "d", "v": 5}])
    dataset.delete_commit(1)
    dataset.restore_rows()
    dataset.revert(to=3)
    assert _values(dataset) == [1, 2, 3, 4], "before the rows were deleted"
    dataset.revert("4")
    assert _values(dataset) == [2, 3, 4, 5], "after, and before commit 1 was deleted"
    dataset.commit([{"id": "e", "v": 6}])
    assert _values(dataset) == [2, 3, 4, 5, 6]
    dataset.revert(1)
    assert _values(dataset) == [1, 2]
    with pytest.raises(NotFound):
        dataset.revert(6)


def test_time_travel_sees_what_was_visible_then() -> None:
    dataset = _dataset()
    entries = list(dataset.log_of_entries.entries())
    seen = {entries[-1].time: _values(dataset)}
    for step in (
        lambda: dataset.delete_rows(where="v = 1"),
        lambda: dataset.delete_commit(2),
        lambda: dataset.revert(2),
        lambda: dataset.restore_commit(3),
    ):
        step()
        *_, last = dataset.log_of_entries.entries()
        seen[last.time] = _values(dataset)
    assert len({tuple(values) for values in seen.values()}) >= 4
    for time, values in seen.items():
        assert _values(dataset, until=time) == values
    assert _values(dataset, until=entries[1].time) == [1, 2]
    assert _values(dataset, until=entries[0].time) == []


@pytest.mark.parametrize("turn", range(1, 9))
def test_deletions_that_race_lose_no_row(turn: int) -> None:
    """A rival's entry counts also when the plan itself is what reads it, for example when its filter looks at rows."""
    store = AgingStore()
    dataset = _dataset(Lake(store))
    rival = headrace.connect(store.uri).dataset("d")
    looks = 0

    def look(key: str) -> None:
        nonlocal looks
        if "/log/" in key:
            looks += 1
            if looks == turn:
                rival.delete_rows(where="v = 4")

    store.before_get = look
    dataset.delete_rows(where="v = 2")
    store.before_get = lambda key: None
    if looks < turn:
        rival.delete_rows(where="v = 4")
    assert _values(headrace.connect(store.uri).dataset("d")) == [1, 3]
    assert headrace.connect(store.uri).verify().ok


def test_forgotten_snapshot_is_gone_until_it_is_taken_again() -> None:
    dataset = _dataset()
    taken = dataset.snapshot(where="v > 1")
    taken.forget()
    assert dataset.snapshots == []
    with pytest.raises(NotFound):
        taken.forget()
    with pytest.raises(NotFound):
        dataset.logged_snapshot(taken.id)
    assert dataset.snapshot(where="v > 1").id == taken.id
    taken.alias("prod")
    with pytest.raises(Conflict, match="alias prod"):
        taken.forget()
    other = dataset.snapshot(where="v > 2")
    dataset.lake.record_run(other, name="first")
    with pytest.raises(Conflict, match="the run 'first'"):
        other.forget()


def test_version_hash_of_a_forgotten_snapshot_binds_anew() -> None:
    dataset = _dataset()
    first = dataset.snapshot()
    dataset.delete_rows(where="v = 1")
    assert first.version_hash is not None
    first.forget()
    with pytest.raises(NotFound):
        dataset.snapshot_by_version_hash(first.version_hash)
    second = dataset.snapshot()
    assert second.version_hash == first.version_hash
    assert dataset.snapshot_by_version_hash(first.version_hash).id == second.id != first.id
