"""What the entries of logs add up to."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from headrace.datasets.columns import schema_to_json
from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.lake_state import LakeState
from headrace.errors import Unavailable
from headrace.storage.log import LogEntry

_SCHEMA = pa.schema([("a", pa.int64())])


def _entry(number: int, operation: str, **body: Any) -> LogEntry:
    return LogEntry(number, "p", "t", 1_000_000 * number, "me", operation, body, "d")


def _create(number: int = 1, *, schema: pa.Schema | None = None) -> LogEntry:
    return _entry(
        number, "create", uid="u", type="TABLE", type_version=1, schema=schema and schema_to_json(schema), key="a",
        on_duplicate_key="replace", description="d", owner="o",
    )  # fmt: skip


def _commit(number: int, commit: str, schema: pa.Schema = _SCHEMA) -> LogEntry:
    return _entry(
        number, "commit", commit=commit, digest="x", manifest="m", statistics="s", num_rows=2, num_media_bytes=3,
        num_rejected=1, tags=[["k", "v"]], message="msg", schema=schema_to_json(schema),
    )  # fmt: skip


def test_lake_state_counts_ids_and_knows_names() -> None:
    state = LakeState()
    assert state.next_id == "1"
    state.apply(_entry(1, "create-dataset", dataset="1", uid="u", name="a"))
    state.apply(_entry(2, "create-dataset", dataset="2", uid="v", name="b"))
    assert (state.next_id, list(state.by_id), state.by_name["b"].uid) == ("3", ["1", "2"], "v")


def test_dataset_state_is_the_sum_of_its_entries() -> None:
    state = DatasetState()
    state.apply(_create())
    assert (state.uid, state.key, state.owner, state.created_at) == ("u", "a", "o", "1970-01-01T00:00:01.000000Z")
    assert state.schema == pa.schema([])
    state.apply(_commit(2, "1"))
    assert state.declared == state.schema == _SCHEMA
    wider = pa.schema([("a", pa.int64()), ("b", pa.string())])
    state.apply(_commit(3, "2", wider))
    assert (state.declared, state.schema) == (_SCHEMA, wider)
    state.apply(_entry(4, "snapshot", snapshot="s1", manifest="m", version_hash="hashBg=="))
    state.apply(_entry(5, "snapshot", snapshot="s2", manifest="m", version_hash="hashBg=="))
    state.apply(_entry(6, "snapshot", snapshot="s3", manifest="m", version_hash=None))
    state.apply(_entry(7, "alias", alias="prod", snapshot="s1"))
    state.apply(_entry(8, "alias", alias="prod", snapshot="s2"))
    state.apply(_entry(9, "run", run="r", name="n", snapshot="s1", document="d"))
    assert [(commit.commit_id, commit.num_rows, commit.entry) for commit in state.commits] == [("1", 2, 2), ("2", 2, 3)]
    assert state.commits[0].tags == (("k", "v"),)
    assert list(state.snapshots) == ["s1", "s2", "s3"]
    assert state.version_hashes == {"hashBg==": "s1"}, "the first snapshot keeps the name"
    assert state.aliases == {"prod": "s2"}
    assert [run.run_id for run in state.runs] == ["r"]
    assert state.updated_at == "1970-01-01T00:00:09.000000Z"


def test_copies_do_not_follow_later_entries() -> None:
    state = DatasetState()
    state.apply(_create(schema=_SCHEMA))
    before = state.copy()
    state.apply(_commit(2, "1"))
    state.apply(_entry(3, "alias", alias="prod", snapshot="s"))
    assert (list(before.commits), before.aliases, before.updated_at) == ([], {}, before.created_at)
    lake = LakeState()
    empty = lake.copy()
    lake.apply(_entry(1, "create-dataset", dataset="1", uid="u", name="a"))
    assert (empty.by_id, empty.by_name, empty.next_id) == ({}, {}, "1")


@pytest.mark.parametrize("state", [LakeState(), DatasetState()])
def test_operation_of_a_later_version_asks_for_an_update(state: LakeState | DatasetState) -> None:
    with pytest.raises(Unavailable, match=r"entry 7 holds the operation 'teleport'.*update Headrace"):
        state.apply(_entry(7, "teleport"))
