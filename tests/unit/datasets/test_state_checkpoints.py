"""States of datasets and lakes, written and read again."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

import headrace
from headrace.datasets.lake import Lake
from headrace.datasets.record_documents import RecordColumns
from headrace.datasets.records import SnapshotRecord, Visibility
from headrace.datasets.state_checkpoints import DATASET_FORM, LAKE_FORM
from headrace.errors import DataCorrupted
from headrace.storage.canonical import canonical_json, read_json
from headrace.storage.paged_list import PagedList
from tests.scripted_store import ScriptedStore


def _again(form: Any, state: Any) -> Any:
    """The state by way of its documents."""
    document = {
        "head": form.head(state),
        "lists": {name: form.lists[name].encode(list(items)) for name, items in form.paged_lists(state).items()},
    }
    stored = read_json(canonical_json(document), name="x")
    lists = {name: PagedList(form.lists[name].decode(items)) for name, items in stored["lists"].items()}
    return form.state(stored["head"], lists)


def _busy_lake() -> Lake:
    lake = Lake(ScriptedStore())
    rows = lake.create_dataset("rows", type="TEXT_INTENT", source=[{"text": "a", "labels": ["x"]}], owner="me")
    for number in range(40):
        rows.commit([{"text": f"b{number}", "labels": ["y"]}], tags={"n": str(number)}, message="m")
    first = rows.snapshot()
    second = rows.snapshot(tags={"n": "3"})
    third = rows.snapshot(upto=2)
    first.alias("prod")
    lake.record_run(first, name="run", metrics={"accuracy": 0.5})
    rows.delete_commit(3)
    rows.delete_commit(4)
    rows.restore_commit(3)
    rows.delete_rows(where="text = 'b9'")
    rows.forget(second.id)
    rows.compact()
    rows.purge(where="text = 'b12'")
    rows.hold("because")
    third.alias("old")
    lake.create_dataset("gone", type="GENERIC")
    lake.delete_dataset("gone")
    lake.create_dataset("back", type="GENERIC")
    lake.delete_dataset("back")
    lake.restore_dataset("back", rename="again")
    return lake


def test_every_field_of_a_state_survives() -> None:
    lake = _busy_lake()
    state = lake.dataset("rows").state()
    again = _again(DATASET_FORM, state)
    for item in fields(state):
        assert getattr(again, item.name) == getattr(state, item.name), item.name
    assert again.commits[0].schema.equals(state.commits[0].schema, check_metadata=True)
    assert again.version_hashes == state.version_hashes
    assert _again(LAKE_FORM, lake.state()) == lake.state()


def test_opened_from_checkpoints_a_lake_says_the_same() -> None:
    lake = _busy_lake()
    expected = [(dataset.to_json(), [commit.to_json() for commit in dataset.log()]) for dataset in lake.datasets()]
    store = lake.store
    opened = Lake(store)
    assert [
        (dataset.to_json(), [commit.to_json() for commit in dataset.log()]) for dataset in opened.datasets()
    ] == expected
    assert opened.verify().ok
    assert isinstance(store, ScriptedStore)
    for key in list(store.contents()):
        if "checkpoints/" in key:
            store.delete(key)
    assert [
        (dataset.to_json(), [commit.to_json() for commit in dataset.log()]) for dataset in Lake(store).datasets()
    ] == expected


def test_forged_state_is_found_by_verify() -> None:
    lake = Lake(ScriptedStore())
    rows = lake.create_dataset("rows", type="GENERIC")
    for number in range(9):
        rows.hold(f"reason {number}")
    state = rows.state()
    state.owner = "somebody else"
    log = rows.log_of_entries
    log.checkpoints.write(10, str(log.digest), time=1, state=state)
    with pytest.raises(DataCorrupted, match="does not hold what the first 10 entries"):
        log.check_checkpoint()


def test_repeated_values_are_written_once() -> None:
    columns = RecordColumns(SnapshotRecord)
    records = [SnapshotRecord(str(idx), "m", None, None, "t", "me", (("a", "b"),)) for idx in range(100)]
    document = columns.encode([*records, None])
    assert document["columns"]["actor"] == {"of": ["me"], "at": [0] * 100}
    assert columns.decode(document) == [*records, None]
    assert columns.decode(columns.encode(records[:1])) == records[:1]


def test_sets_are_written_as_steps() -> None:
    columns = RecordColumns(Visibility)
    hidden: frozenset[str] = frozenset()
    records = [Visibility()]
    for number in range(50):
        hidden = hidden ^ {str(number % 7)} | {f"x{number}"}
        records += [replace(records[-1], time=number, hidden_commits=hidden)] * 2
    document = columns.encode(records)
    assert columns.decode(document) == records
    assert len(canonical_json(document)) < 3_000


def test_superseded_checkpoints_are_collected(tmp_path: Any) -> None:
    lake = headrace.connect(tmp_path / "lake")
    rows = lake.create_dataset("rows", type="GENERIC")
    for number in range(40):
        rows.hold(str(number))
    rows.release()
    before = rows.to_json()
    dry = lake.gc(dry_run=True, grace_seconds=0)
    report = lake.gc(grace_seconds=0)
    reasons = {item.reason for item in report.objects}
    assert reasons == {item.reason for item in dry.objects} == {"superseded checkpoint"}
    assert len(list((tmp_path / "lake").glob("datasets/*/checkpoints/*/*.json"))) == 2
    assert headrace.connect(tmp_path / "lake").dataset("rows").to_json() == before
    assert lake.verify().ok
