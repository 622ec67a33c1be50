"""Garbage collection removes what nobody can reach, whatever writers and other collectors do meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import headrace
from headrace.datasets import collecting
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.errors import HeadraceError, InvalidInput, PermissionDenied, Unavailable
from tests.aging_store import AgingStore
from tests.scripted_store import fresh_memory_uri

_FIRST = [{"text": "a", "labels": ["x"]}]
_SECOND = [{"text": "b", "labels": ["y"]}, {"text": "c", "labels": ["z"]}]
_DAY = 86_400.0


class _Killed(BaseException):
    """Stands for a kill: nobody catches it."""


def _store_with_dataset() -> AgingStore:
    store = AgingStore()
    Lake(store).create_dataset("d", type="TEXT_INTENT", source=_FIRST)
    return store


def _dataset(store: AgingStore) -> Dataset:
    """As another process sees it."""
    return Lake(store).dataset("d")


def _when_claimed(store: AgingStore, operation: bytes, action: Callable[[], object]) -> None:
    """Run an action once, right before an entry of this operation is claimed."""
    put_new = store.put_new

    def before(key: str, data: Any) -> bool:
        if "/log/" in f"/{key}" and b'"operation":"' + operation + b'"' in bytes(data):
            del store.put_new
            action()
        return put_new(key, data)

    store.put_new = before  # type: ignore[method-assign]  # of this store only


def _interrupted_commit(store: AgingStore, rows: list[dict[str, Any]] = _SECOND) -> None:
    """Objects that no entry refers to."""

    def die() -> None:
        raise _Killed

    _when_claimed(store, b"commit", die)
    with pytest.raises(_Killed):
        _dataset(store).commit(rows)


def _objects(store: AgingStore) -> set[str]:
    return {key for key in store.contents() if "/objects/" in key}


def test_interrupted_commit_is_removed_once_it_is_old() -> None:
    store = _store_with_dataset()
    before = _objects(store)
    _interrupted_commit(store)
    left = _objects(store) - before
    assert left
    lake = Lake(store)
    report = lake.gc()
    assert (report.num_objects, report.num_young) == (0, len(left))
    store.ages = dict.fromkeys(left, _DAY + 1)
    dry = lake.gc(dry_run=True)
    assert {item.key for item in dry.objects} == left
    assert dry.num_bytes == sum(len(store.contents()[key]) for key in left) > 0
    assert _objects(store) == before | left
    report = lake.gc()
    assert {item.key for item in report.objects} == left
    assert not _objects(store) & left
    assert report.to_json()["num_objects"] == len(left)
    assert "CollectionReport" in report._repr_html_()
    assert lake.verify().ok
    with pytest.raises(InvalidInput):
        lake.gc(grace_seconds=-1)


def test_lists_of_old_collections_go_and_nothing_is_written_without_need() -> None:
    store = _store_with_dataset()
    before = _objects(store)
    _interrupted_commit(store)
    lake = Lake(store)
    lake.gc(grace_seconds=0)
    assert len(_objects(store) - before) == 1, "the list of what was removed"
    lake.gc(grace_seconds=0)
    assert _objects(store) == before
    number = lake.dataset("d").log_of_entries.number
    assert lake.gc(grace_seconds=0).num_objects == 0
    assert lake.dataset("d").log_of_entries.number == number


def test_what_can_be_restored_is_kept() -> None:
    store = _store_with_dataset()
    dataset = _dataset(store)
    dataset.commit(_SECOND)
    snapshot = dataset.snapshot(where="text > 'a'")
    dataset.delete_rows(where="text = 'b'")
    dataset.delete_rows(where="text = 'c'")
    dataset.delete_commit(2)
    dataset.restore_commit(2)
    Lake(store).record_run(dataset.snapshot(), name="r")
    dataset.revert(1)
    dataset.lake.delete_dataset("d")
    before = _objects(store)
    assert Lake(store).gc(grace_seconds=0).objects == []
    assert _objects(store) == before
    lake = Lake(store)
    restored = lake.restore_dataset("d")
    restored.revert(2)
    assert restored.num_rows == 3
    assert restored.logged_snapshot(snapshot.id).num_rows == 2
    assert lake.verify().ok


def test_forgotten_snapshot_is_removed() -> None:
    store = _store_with_dataset()
    dataset = _dataset(store)
    before = _objects(store)
    snapshot = dataset.snapshot(where="text = 'a'")
    assert Lake(store).gc(grace_seconds=0).objects == []
    snapshot.forget()
    assert Lake(store).gc(grace_seconds=0).num_objects == 1
    Lake(store).gc(grace_seconds=0)
    assert _objects(store) == before
    assert dataset.snapshot(where="text = 'a'").id == snapshot.id
    assert Lake(store).verify().ok


def test_hold_blocks_collection_of_its_dataset_alone() -> None:
    store = _store_with_dataset()
    _interrupted_commit(store)
    other = Lake(store).create_dataset("other", type="TEXT_INTENT", source=_FIRST)
    other.snapshot().forget()
    _dataset(store).hold("case 1")
    report = Lake(store).gc(grace_seconds=0)
    assert report.skipped == ["d: case 1"]
    assert {item.key.split("/")[1] for item in report.objects} == {other.base.split("/")[1]}
    _dataset(store).release()
    _when_claimed(store, b"collect", lambda: _dataset(store).hold("case 2"))
    with pytest.raises(PermissionDenied, match="case 2"):
        Lake(store).gc(grace_seconds=0)
    _dataset(store).release()
    assert Lake(store).gc(grace_seconds=0).num_objects > 0


def test_writer_whose_objects_were_condemned_is_refused_and_can_try_again() -> None:
    store = _store_with_dataset()
    _interrupted_commit(store)
    writer = _dataset(store)
    _when_claimed(store, b"commit", lambda: Lake(store).gc(grace_seconds=0))
    with pytest.raises(Unavailable, match="try again"):
        writer.commit(_SECOND)
    assert len(_dataset(store).log()) == 1
    assert writer.commit(_SECOND).id == "2"
    assert Lake(store).verify().ok
    assert Lake(store).gc(grace_seconds=0).num_objects == 0


@pytest.mark.parametrize(
    ("operation", "act"),
    [
        (b"snapshot", lambda dataset: dataset.snapshot(where="text = 'a'")),
        (b"delete-rows", lambda dataset: dataset.delete_rows(where="text = 'a'")),
        (b"run", lambda dataset: dataset.lake.record_run(dataset.snapshot(), name="r")),
    ],
    ids=["snapshot", "delete-rows", "run"],
)
def test_other_entries_do_not_refer_to_condemned_objects_either(
    operation: bytes, act: Callable[[Dataset], object]
) -> None:
    store = _store_with_dataset()
    dataset = _dataset(store)
    _when_claimed(store, operation, lambda: Lake(store).gc(grace_seconds=0))
    with pytest.raises(Unavailable, match="try again"):
        act(dataset)
    act(dataset)
    assert Lake(store).verify().ok


def test_commit_that_is_claimed_before_the_collection_survives() -> None:
    store = _store_with_dataset()
    _interrupted_commit(store)
    _when_claimed(store, b"collect", lambda: _dataset(store).commit(_SECOND))
    assert Lake(store).gc(grace_seconds=0).objects == []
    assert _dataset(store).num_rows == 3
    assert Lake(store).verify().ok


def test_collection_that_ends_while_a_commit_is_written_counts() -> None:
    """It began before the writer looked, and removed what the writer put before it said that it is done."""
    store = _store_with_dataset()
    before = _objects(store)
    _interrupted_commit(store)
    is_removing, may_go_on = threading.Event(), threading.Event()

    def wait(key: str) -> None:
        if "/objects/" in key:
            is_removing.set()
            assert may_go_on.wait(30)

    store.before_delete = wait
    collector = threading.Thread(target=lambda: Lake(store).gc(grace_seconds=0))
    collector.start()
    assert is_removing.wait(30)

    def let_go(key: str) -> None:
        if key.endswith(".json") and not may_go_on.is_set():  # the part was put before
            may_go_on.set()
            collector.join(30)
            assert not any(key.endswith(".parquet") for key in _objects(store) - before)

    writer = _dataset(store)
    assert not writer.state().collections[0].is_done
    store.before_put = let_go
    with pytest.raises(Unavailable):
        writer.commit(_SECOND)
    assert writer.commit(_SECOND).id == "2"
    assert Lake(store).verify().ok


@pytest.mark.parametrize("num_deleted", [0, 1, 2])
def test_killed_collector_does_not_block_for_ever(num_deleted: int) -> None:
    store = _store_with_dataset()
    before = _objects(store)
    _interrupted_commit(store)
    left = _objects(store) - before
    deleted: list[str] = []

    def die(key: str) -> None:
        if "/objects/" in key:
            if len(deleted) >= num_deleted:
                raise _Killed
            deleted.append(key)

    store.before_delete = die
    collecting_alone = pytest.MonkeyPatch()
    collecting_alone.setattr(collecting, "_PARALLEL_DELETES", 1)
    with pytest.raises(_Killed):
        Lake(store).gc(grace_seconds=0)
    collecting_alone.undo()
    store.before_delete = lambda key: None
    (open_one,) = _dataset(store).state().collections
    assert not open_one.is_done
    with pytest.raises(Unavailable, match="quarter of an hour"):
        _dataset(store).commit(_SECOND)
    # Others go on at once, with all that the dead one had condemned.
    report = Lake(store).gc(grace_seconds=0)
    assert {item.key for item in report.objects} >= left - set(deleted)
    assert {item.reason for item in report.objects} == {"left by an interrupted collection"}
    for _ in range(2):
        Lake(store).gc(grace_seconds=0)
    assert [item.is_done for item in _dataset(store).state().collections if item.entry == open_one.entry] == [False]
    with pytest.raises(Unavailable):
        _dataset(store).commit(_SECOND)
    store.ages[_dataset(store).log_of_entries.key(open_one.entry)] = 1_000.0
    assert _dataset(store).commit(_SECOND).id == "2", "its collector has surely stopped, even if nobody collects again"
    Lake(store).gc(grace_seconds=0)
    assert all(item.is_done for item in _dataset(store).state().collections)
    Lake(store).gc(grace_seconds=0)
    assert _dataset(store).commit(_SECOND).id == "3"
    assert Lake(store).verify().ok


def test_collector_stops_before_another_may_say_that_it_is_over() -> None:
    assert collecting.RoundLimits().seconds * 2 < collecting._TAKEOVER_SECONDS
    store = _store_with_dataset()
    _interrupted_commit(store)
    left = _objects(store)
    with pytest.raises(Unavailable, match="quarter of an hour"):
        collecting.collect_garbage(
            Lake(store), dry_run=False, grace_seconds=0, limits=collecting.RoundLimits(seconds=-1.0)
        )
    assert left <= _objects(store)


def test_collection_goes_in_rounds_and_a_dry_run_lists_all() -> None:
    store = _store_with_dataset()
    for number in range(3):
        _interrupted_commit(store, [{"text": str(number), "labels": ["x"]}])
    limits = collecting.RoundLimits(num_objects=4)
    dry = collecting.collect_garbage(Lake(store), dry_run=True, grace_seconds=0, limits=limits)
    assert dry.num_objects > 4
    done = collecting.collect_garbage(Lake(store), dry_run=False, grace_seconds=0, limits=limits)
    assert {item.key for item in done.objects} == {item.key for item in dry.objects}
    rounds = [entry for entry in _dataset(store).log_of_entries.entries() if entry.operation == "collect"]
    assert len(rounds) == -(-dry.num_objects // 4)


def test_live_lease_keeps_what_its_writer_wrote() -> None:
    store = _store_with_dataset()
    _interrupted_commit(store)
    key = f"{_dataset(store).base}leases/0123-000000"
    store.put_new(key, b"600")
    assert Lake(store).gc(grace_seconds=0).num_objects == 0
    store.ages[key] = 4_000.0
    assert Lake(store).gc(grace_seconds=0).num_objects > 0
    assert key not in store.contents()


def test_rest_of_a_failed_create_is_removed() -> None:
    store = _store_with_dataset()

    def die() -> None:
        raise _Killed

    _when_claimed(store, b"create-dataset", die)
    # A kill, not an error: the create cannot clean up after itself.
    store.before_delete = lambda key: die()
    with pytest.raises(_Killed):
        Lake(store).create_dataset("e", type="TEXT_INTENT", source=_FIRST)
    store.before_delete = lambda key: None
    lake = Lake(store)
    assert lake.gc().num_young > 0
    dry = lake.gc(dry_run=True, grace_seconds=0)
    assert {item.reason for item in dry.objects} == {"left by a create that failed"}
    assert lake.gc(grace_seconds=0).objects == dry.objects != []
    assert {key.split("/")[1] for key in store.contents() if key.startswith("datasets/")} == {
        lake.dataset("d").base.split("/")[1]
    }
    assert lake.gc(grace_seconds=0).objects == []
    assert lake.create_dataset("e", type="TEXT_INTENT", source=_FIRST).id == "2"
    assert lake.verify().ok


def test_create_whose_folder_was_given_up_is_refused_and_can_try_again() -> None:
    store = _store_with_dataset()
    lake = Lake(store)
    _when_claimed(store, b"create-dataset", lambda: Lake(store).gc(grace_seconds=0))
    with pytest.raises(Unavailable, match="try again"):
        lake.create_dataset("e", type="TEXT_INTENT", source=_SECOND)
    assert [dataset.name for dataset in Lake(store).datasets()] == ["d"]
    assert lake.create_dataset("e", type="TEXT_INTENT", source=_SECOND).id == "2"
    Lake(store).gc(grace_seconds=0)
    assert Lake(store).verify().ok
    assert Lake(store).dataset("e").num_rows == 2


def test_create_that_is_registered_before_its_folder_is_given_up_survives() -> None:
    store = _store_with_dataset()
    is_listed, may_register = threading.Event(), threading.Event()

    def wait() -> None:
        is_listed.set()
        assert may_register.wait(30)

    _when_claimed(store, b"create-dataset", wait)
    creator = threading.Thread(target=lambda: Lake(store).create_dataset("e", type="TEXT_INTENT", source=_SECOND))
    creator.start()
    assert is_listed.wait(30)

    def register() -> None:
        may_register.set()
        creator.join(30)

    _when_claimed(store, b"give-up-folders", register)
    assert Lake(store).gc(grace_seconds=0).objects == []
    assert Lake(store).dataset("e").num_rows == 2
    assert Lake(store).verify().ok


def test_damaged_manifest_stops_collection_of_its_dataset() -> None:
    store = _store_with_dataset()
    _interrupted_commit(store)
    before = _objects(store)
    dataset = _dataset(store)
    (record,) = dataset.state().commits
    key = f"{dataset.base}objects/{record.manifest[:2]}/{record.manifest}.json"
    store.flip_bit(key, 9)
    with pytest.raises(HeadraceError):
        Lake(store).gc(grace_seconds=0)
    assert _objects(store) == before


def test_writers_and_collectors_at_once() -> None:
    """All write the same rows, so that each counts on objects that the collectors see as left behind by others."""
    uri = fresh_memory_uri()
    headrace.connect(uri).create_dataset("d", type="TEXT_INTENT", source=_FIRST)
    is_over = threading.Event()
    problems: list[BaseException] = []
    num_commits = [0, 0]

    def collect() -> None:
        try:
            lake = headrace.connect(uri)
            while not is_over.is_set():
                lake.gc(grace_seconds=0)
        except BaseException as error:  # told at the end
            problems.append(error)

    def write(writer: int) -> None:
        try:
            dataset = headrace.connect(uri).dataset("d")
            for number in range(12):
                rows = [{"text": f"t{number}", "labels": ["x"]}]
                for _ in range(100):
                    try:
                        dataset.commit(rows)
                    except Unavailable:
                        continue
                    num_commits[writer] += 1
                    break
        except BaseException as error:  # told at the end
            problems.append(error)

    collectors = [threading.Thread(target=collect) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in [*collectors, *writers]:
        thread.start()
    for thread in writers:
        thread.join(60)
    is_over.set()
    for thread in collectors:
        thread.join(60)
    assert problems == []
    assert num_commits == [12, 12], "a writer gets through in the end"
    lake = headrace.connect(uri)
    assert lake.dataset("d").num_rows == 25
    assert lake.verify().ok
