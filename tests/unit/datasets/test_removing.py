"""Whole datasets: deleted, restored, purged."""

from __future__ import annotations

from pathlib import Path

import pytest

import headrace
from headrace.datasets.lake import Lake
from headrace.errors import AlreadyExists, Conflict, NotFound, PermissionDenied
from tests.aging_store import AgingStore
from tests.scripted_store import fresh_memory_uri

_ROWS = [{"text": "a", "labels": ["x"]}, {"text": "b", "labels": ["y"]}]


def _lake() -> Lake:
    lake = headrace.connect(fresh_memory_uri())
    lake.create_dataset("a", type="TEXT_INTENT", source=_ROWS)
    lake.create_dataset("b", type="TEXT_INTENT", source=_ROWS)
    return lake


def test_deleted_dataset_comes_back_with_everything() -> None:
    lake = _lake()
    snapshot = lake.dataset("a").snapshot()
    lake.delete_dataset("a")
    assert [dataset.name for dataset in lake.datasets()] == ["b"]
    assert [dataset.name for dataset in lake.every_dataset()] == ["a", "b"]
    for name in ("a", "1"):
        with pytest.raises(NotFound, match="dataset restore"):
            lake.dataset(name)
    with pytest.raises(NotFound):
        lake.delete_dataset("a")
    restored = lake.restore_dataset("a")
    assert (restored.id, restored.name) == ("1", "a")
    assert restored.logged_snapshot(snapshot.id).num_rows == 2
    with pytest.raises(NotFound, match="no deleted dataset 'a'; deleted ones: none"):
        lake.restore_dataset("a")


def test_name_of_a_deleted_dataset_is_free() -> None:
    lake = _lake()
    lake.delete_dataset("a")
    again = lake.create_dataset("a", type="GENERIC")
    assert again.id == "3"
    with pytest.raises(AlreadyExists, match="--as NAME"):
        lake.restore_dataset("1")
    restored = lake.restore_dataset("1", rename="old")
    assert (restored.name, lake.dataset("1").name, lake.dataset("old").id) == ("old", "old", "1")
    assert headrace.connect(lake.uri).dataset("1").name == "old"
    lake.delete_dataset("old")
    lake.delete_dataset("a")
    assert lake.restore_dataset("a").id == "3", "the one that had this name last"
    assert lake.restore_dataset("old").id == "1"


def test_purged_dataset_leaves_its_log_and_nothing_else(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("a", type="TEXT_INTENT", source=_ROWS)
    other = lake.create_dataset("b", type="TEXT_INTENT", source=[{"text": "c", "labels": ["z"]}])
    view = dataset.snapshot().materialise()
    other_view = other.snapshot().materialise()
    writer = headrace.connect(lake.uri).dataset("a")
    held = writer.select(where="text <> ''")
    would = lake.purge_dataset("a", dry_run=True)
    assert lake.verify().ok
    assert lake.purge_dataset("a") == would > 0
    assert all("/log/" in stat.key for stat in lake.store.list(dataset.base))
    assert not Path(view.uri).exists() or not list(Path(view.uri).iterdir())
    assert list(Path(other_view.uri).iterdir())
    for act in (lambda: writer.commit(_ROWS), lambda: writer.log_snapshot(held)):
        with pytest.raises(Conflict, match="was purged"):
            act()
    with pytest.raises(NotFound):
        lake.dataset("a")
    with pytest.raises(NotFound):
        lake.purge_dataset("a")
    with pytest.raises(NotFound):
        lake.restore_dataset("a")
    assert lake.create_dataset("a", type="GENERIC").id == "3"
    assert lake.verify().ok
    told = [(entry.operation, entry.dataset) for entry in lake.audit()]
    assert ("purge-dataset", None) in told
    assert ("commit", "a") in told


def test_deleted_dataset_can_be_purged() -> None:
    lake = _lake()
    lake.delete_dataset("a")
    assert lake.purge_dataset("1") > 0
    with pytest.raises(NotFound):
        lake.restore_dataset("1")


def test_hold_forbids_purge_until_it_is_released() -> None:
    lake = _lake()
    dataset = lake.dataset("a")
    with pytest.raises(headrace.errors.InvalidInput, match="needs a reason"):
        dataset.hold(" ")
    dataset.hold("case 1")
    for dry_run in (True, False):
        with pytest.raises(PermissionDenied, match=r"case 1.*dataset release"):
            lake.purge_dataset("a", dry_run=dry_run)
    dataset.delete_commit(1)
    dataset.release()
    dataset.release()
    assert lake.purge_dataset("a") > 0
    with pytest.raises(Conflict):
        dataset.hold("too late")


class _Killed(BaseException):
    """Stands for a kill: nobody catches it."""


def test_purge_that_was_killed_is_finished_by_collection() -> None:
    store = AgingStore()
    lake = Lake(store)
    lake.create_dataset("a", type="TEXT_INTENT", source=_ROWS).snapshot()

    def die(key: str) -> None:
        raise _Killed

    store.before_delete = die
    with pytest.raises(_Killed):
        lake.purge_dataset("a")
    store.before_delete = lambda key: None
    lake = headrace.connect(store.uri)
    assert {item.reason for item in lake.gc(dry_run=True).objects} == {"its dataset was purged"}
    assert lake.gc().num_objects > 0
    assert {key.split("/")[2] for key in store.contents() if key.startswith("datasets/")} == {"log"}
    assert lake.gc().num_objects == 0
    assert lake.verify().ok


def test_purge_that_was_killed_before_it_was_registered_can_be_repeated() -> None:
    store = AgingStore()
    lake = Lake(store)
    lake.create_dataset("a", type="TEXT_INTENT", source=_ROWS)

    def die(key: str) -> None:
        if key.startswith("log/"):
            raise _Killed

    store.before_put_new = die
    with pytest.raises(_Killed):
        lake.purge_dataset("a")
    store.before_put_new = lambda key: None
    lake = headrace.connect(store.uri)
    assert lake.gc(grace_seconds=0).skipped == ["a: its purge was interrupted; purge it again"]
    assert lake.dataset("a").num_rows == 2
    assert lake.purge_dataset("a") > 0
    assert lake.verify().ok
