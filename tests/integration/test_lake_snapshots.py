"""Snapshots of one lake: what they choose, that they never change, and how they are read."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import headrace
from headrace.datasets.columns import media_field
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.datasets.snapshot import Snapshot
from headrace.errors import InvalidInput, NotFound
from headrace.storage.memory import MemoryStore
from tests.generated_media import image_bytes
from tests.scripted_store import fresh_memory_uri

_SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])


@pytest.fixture
def lake(lake_uri: str) -> Lake:
    return headrace.connect(lake_uri, actor="tester@here")


def _rows(snapshot: Snapshot, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in columns) for row in snapshot.to_arrow().to_pylist()]


def _keyed(lake: Lake, rule: str) -> Dataset:
    dataset = lake.create_dataset(f"rows_{rule}", schema=_SCHEMA, key="id", on_duplicate_key=rule)
    dataset.commit([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}], tags={"day": "1"})
    dataset.commit([{"id": 2, "name": "B"}, {"id": 4, "name": "D"}], tags={"day": "2"})
    dataset.commit([{"id": 1, "name": "A"}, {"id": 2, "name": "b"}], tags={"day": "3"})
    return dataset


def test_replace_lets_the_later_row_of_a_key_win(lake: Lake) -> None:
    dataset = _keyed(lake, "replace")
    assert dataset.num_rows == 7
    snapshot = dataset.snapshot()
    assert _rows(snapshot, "_id", "name") == [("3", "c"), ("4", "D"), ("1", "A"), ("2", "b")]
    assert snapshot.num_rows == len(snapshot) == snapshot.statistics["num_rows"] == 4
    assert snapshot.commit_row_counts == [1, 1, 2]
    assert _rows(dataset.snapshot(upto=2), "_id", "name") == [("1", "a"), ("3", "c"), ("2", "B"), ("4", "D")]
    assert _rows(dataset.snapshot(tags={"day": "1"}), "name") == [("a",), ("b",), ("c",)]
    assert dataset.snapshot(tags={"day": "2"}).commit_row_counts == [2]


def test_keep_shows_every_row_with_its_commit(lake: Lake) -> None:
    snapshot = _keyed(lake, "keep").snapshot()
    assert [item for (item,) in _rows(snapshot, "_id")] == ["1:1", "1:2", "1:3", "2:2", "2:4", "3:1", "3:2"]
    assert snapshot.commit_row_counts == [3, 2, 2]


def test_filter_and_split_work_after_keys_are_resolved(lake: Lake) -> None:
    """A commit of which no row is left must not get in the way."""
    dataset = lake.create_dataset("rows", schema=_SCHEMA, key="id")
    dataset.commit([{"id": idx, "name": "old"} for idx in range(20)])
    dataset.commit([{"id": idx, "name": "new"} for idx in range(20)])
    assert dataset.snapshot(where="name = 'old'").num_rows == 0
    assert dataset.snapshot(where="name = 'new' AND id < 5").num_rows == 5
    sides = dataset.snapshot().split({"a": 0.5, "b": 0.5})
    assert sorted(row for side in sides.values() for row in _rows(side, "id", "name")) == [
        (idx, "new") for idx in range(20)
    ]
    nothing = dataset.snapshot(where="id > 99").split({"a": 0.5, "b": 0.5})
    assert [side.num_rows for side in nothing.values()] == [0, 0]


def test_split_of_a_filter_and_of_a_split_deals_each_row_once(lake: Lake) -> None:
    dataset = lake.create_dataset("t", type="TEXT_INTENT")
    for commit in range(3):
        dataset.commit([{"text": f"text {commit} {idx}", "labels": [str(idx % 3)]} for idx in range(40)])
    chosen = dataset.snapshot(where="labels[1] <> '0'")
    first = chosen.split({"train": 0.7, "rest": 0.3}, seed=5)
    second = first["rest"].split({"val": 0.5, "test": 0.5}, seed=5)
    parts = [first["train"], *second.values()]
    ids = [item for part in parts for (item,) in _rows(part, "_id")]
    assert sorted(ids) == sorted(item for (item,) in _rows(chosen, "_id"))
    assert all(part.num_rows for part in parts)
    assert first["train"].version_hash is None
    assert lake.snapshot(f"t@id:{second['val'].id}").to_arrow().equals(second["val"].to_arrow())
    again = dataset.snapshot(where="labels[1] <> '0'").split({"train": 0.7, "rest": 0.3}, seed=5)
    assert [part.id for part in again.values()] == [part.id for part in first.values()]


def test_split_keeps_rows_where_they_are_when_more_come(lake: Lake) -> None:
    dataset = lake.create_dataset("rows", schema=_SCHEMA, key="id")
    dataset.commit([{"id": idx, "name": "x"} for idx in range(100)])
    before = {name: set(_rows(side, "id")) for name, side in dataset.snapshot().split({"a": 0.5, "b": 0.5}).items()}
    dataset.commit([{"id": idx, "name": "y"} for idx in range(50, 150)])
    after = {name: set(_rows(side, "id")) for name, side in dataset.snapshot().split({"a": 0.5, "b": 0.5}).items()}
    assert before["a"] <= after["a"]
    assert before["b"] <= after["b"]


@pytest.mark.parametrize("column", ["_id", "_commit"])
def test_split_by_where_a_row_was_committed_is_refused(lake: Lake, column: str) -> None:
    snapshot = _keyed(lake, "keep").snapshot()
    with pytest.raises(InvalidInput, match="a split is not made by"):
        snapshot.split({"a": 0.5, "b": 0.5}, group=column)
    with pytest.raises(InvalidInput, match="a split is not made by"):
        snapshot.split({"a": 0.5, "b": 0.5}, stratify=column)


def test_split_by_digest_keeps_equal_rows_together(lake: Lake) -> None:
    dataset = lake.create_dataset("t", type="TEXT_INTENT")
    dataset.commit([{"text": f"t{idx % 10}", "labels": ["x"]} for idx in range(60)])
    sides = dataset.snapshot().split({"a": 0.5, "b": 0.5}, group="_digest")
    texts = [set(_rows(side, "text")) for side in sides.values()]
    assert not texts[0] & texts[1]


def test_snapshot_stays_as_it_was_when_the_dataset_grows(lake: Lake) -> None:
    dataset = lake.create_dataset("t", type="TEXT_INTENT", source=[{"text": "a", "labels": ["x"]}])
    snapshot = dataset.snapshot()
    filtered = dataset.snapshot(where="text = 'a'")
    snapshot.alias("prod")
    rows, statistics, schema = snapshot.to_arrow(), snapshot.statistics, snapshot.schema
    dataset.commit([{"text": "a", "labels": ["y"], "note": "new column"}])
    for again in (snapshot, lake.snapshot("t@prod"), headrace.connect(lake.uri).snapshot(f"t@id:{snapshot.id[:8]}")):
        assert (again.id, again.num_rows, again.version_hash) == (snapshot.id, 1, "hashAg==")
        assert again.to_arrow().equals(rows)
        assert (again.statistics, again.schema) == (statistics, schema)
    assert lake.snapshot(f"t@id:{filtered.id}").num_rows == 1
    assert dataset.snapshot().schema.names == ["text", "labels", "note"]
    assert _rows(dataset.snapshot(), "note") == [(None,), ("new column",)]


def test_alias_moves_and_the_old_snapshot_stays(lake: Lake) -> None:
    dataset = _keyed(lake, "keep")
    first, second = dataset.snapshot(upto=1), dataset.snapshot()
    first.alias("prod")
    first.alias("prod")
    second.alias("prod")
    first.alias("old.one-1")
    assert dataset.aliases == {"old.one-1": first.id, "prod": second.id}
    assert (first.aliases, second.aliases) == (["old.one-1"], ["prod"])
    assert lake.snapshot("rows_keep@prod").id == second.id
    operations = [entry.operation for entry in dataset.log_of_entries.entries()]
    assert operations.count("alias") == 3, "setting an alias to where it points already changes nothing"


def test_references_find_snapshots_by_id_commit_and_time() -> None:
    clock = itertools.count(1_000_000, 1_000_000)
    lake = Lake(MemoryStore(fresh_memory_uri()), clock=lambda: next(clock))
    dataset = _keyed(lake, "keep")
    whole = dataset.snapshot()
    assert lake.snapshot("rows_keep").id == lake.snapshot("1").id == whole.id
    assert lake.snapshot(f"{lake.uri}::rows_keep@id:{whole.id[:8]}").id == whole.id
    times = [commit.created_at for commit in dataset.log()]
    for number, moment in enumerate(times, 1):
        assert lake.snapshot(f"rows_keep@{{{moment}}}").id == lake.snapshot(f"rows_keep@upto:{number}").id
    assert lake.snapshot("rows_keep@{1970-01-01T00:00:00.5Z}").num_rows == 0
    assert lake.snapshot("rows_keep@{2999-01-01}").id == whole.id
    unlogged = dataset.select(upto=2)
    with pytest.raises(NotFound, match="no snapshot"):
        lake.snapshot(f"rows_keep@id:{unlogged.id}")
    assert dataset.snapshots == [whole.id], "reading logs nothing"


def test_take_gives_rows_in_the_order_asked_across_commits(lake: Lake) -> None:
    snapshot = _keyed(lake, "keep").snapshot()
    names = [name for (name,) in _rows(snapshot, "name")]
    for wanted in ([0], [6, 0], [-1, -7], [3, 3, 3], [5, 1, 5, 0, 6], [], np.array([2, 4], np.int32), range(7)):
        found = snapshot.take(wanted, columns=["name", "_commit"])
        assert found.column("name").to_pylist() == [names[int(idx)] for idx in wanted]
        assert found.column_names == ["name", "_commit"]
    assert snapshot.take([4], columns=["_commit"]).to_pylist() == [{"_commit": "2"}]
    last: Any = np.int64(6)
    assert snapshot[-1]["name"] == snapshot[6]["name"] == snapshot[last]["name"] == "b"
    assert [row["name"] for row in snapshot] == names


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 8, 1000])
def test_scan_gives_every_row_once_in_order(lake: Lake, batch_size: int) -> None:
    snapshot = _keyed(lake, "keep").snapshot()
    batches = list(snapshot.scan(batch_size))
    assert [batch.num_rows for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert pa.Table.from_batches(batches).equals(snapshot.to_arrow())
    only = pa.Table.from_batches(snapshot.scan(batch_size, columns=["_id"]))
    assert only.column("_id").to_pylist() == snapshot.to_arrow().column("_id").to_pylist()


def test_chosen_columns_are_all_that_is_read(lake: Lake) -> None:
    dataset = _keyed(lake, "keep")
    snapshot = dataset.snapshot(columns=["name"], where="id > 1")
    assert snapshot.schema.names == ["name"]
    assert snapshot.to_arrow().column_names == ["name", "_id", "_digest"]
    assert set(snapshot.statistics["columns"]) == {"name"}
    assert snapshot.query("SELECT count(*) AS n FROM snapshot").to_pylist() == [{"n": 5}]
    with pytest.raises(InvalidInput, match="taken with columns"):
        snapshot.take([0], columns=["id"])
    with pytest.raises(InvalidInput, match="no column 'nmae'"):
        snapshot.take([0], columns=["nmae"])
    assert dataset.snapshot(columns=["name", "id"]).schema.names == ["name", "id"]


def test_query_sees_identity_and_media_without_bytes(lake: Lake) -> None:
    dataset = lake.create_dataset("photos", type="IMAGE_CLASS")
    dataset.commit([{"id": "a", "image": image_bytes(width=9, height=5), "label": "cat"}])
    dataset.commit([{"id": "a", "image": image_bytes(width=4, height=5, format="PNG"), "label": "dog"}])
    found = dataset.snapshot().query(
        "SELECT _id, _commit, image.width AS w, image.format AS f FROM snapshot ORDER BY 1"
    )
    assert found.to_pylist() == [
        {"_id": "1:a", "_commit": "1", "w": 9, "f": "jpeg"},
        {"_id": "2:a", "_commit": "2", "w": 4, "f": "png"},
    ]
    assert dataset.snapshot(where="image.width > 5").num_rows == 1


def test_empty_snapshots_read_as_nothing(lake: Lake) -> None:
    photos = lake.create_dataset("photos", type="IMAGE_CLASS")
    empty_table = lake.create_dataset("rows", schema=_SCHEMA, key="id")
    undeclared = lake.create_dataset("later", type="TABLE")
    for dataset in (photos, empty_table, undeclared):
        for snapshot in (dataset.snapshot(), dataset.snapshot(tags={"no": "such"})):
            assert (snapshot.num_rows, snapshot.commits, snapshot.version_hash) == (0, [], "hash")
            assert snapshot.to_arrow().num_rows == 0
            assert snapshot.to_arrow().column_names == [*dataset.schema.names, "_id", "_digest"]
            assert list(snapshot.scan()) == []
            assert snapshot.take([]).num_rows == 0
            assert snapshot.statistics["num_rows"] == 0
            assert snapshot.diff(snapshot).to_json()["added"] == 0
            assert snapshot.query("SELECT count(*) AS n FROM snapshot").to_pylist() == [{"n": 0}]
            assert [side.num_rows for side in snapshot.split({"a": 0.5, "b": 0.5}).values()] == [0, 0]
            with pytest.raises(IndexError):
                snapshot[0]
    assert photos.snapshot(where="label = 'cat'").num_rows == 0
    assert lake.verify().ok


def test_table_without_declared_columns_takes_those_of_its_first_commit(lake: Lake) -> None:
    dataset = lake.create_dataset("rows", type="TABLE", source=[{"a": 1, "b": "x"}], key="a")
    assert dataset.schema == pa.schema([("a", pa.int64()), ("b", pa.string())])
    assert dataset.on_duplicate_key == "replace"
    with pytest.raises(InvalidInput, match="no such column"):
        dataset.commit([{"a": 2, "bb": "x"}])
    dataset.commit([{"a": 1, "b": "y"}])
    assert _rows(dataset.snapshot(), "a", "b") == [(1, "y")]


def test_diff_tells_added_removed_and_changed_rows(lake: Lake) -> None:
    dataset = _keyed(lake, "replace")
    diff = dataset.snapshot(upto=1).diff(dataset.snapshot())
    assert diff.to_json() | {"before": "", "after": ""} == {
        "before": "", "after": "", "added": 1, "removed": 0, "changed": 1,
    }  # fmt: skip
    assert diff.added.to_arrow(["id", "name"]).to_pylist() == [{"id": 4, "name": "D"}]
    assert diff.changed.to_arrow(["id", "name"]).to_pylist() == [{"id": 1, "name": "A"}]
    assert diff.changed_before.to_arrow(["id", "name"]).to_pylist() == [{"id": 1, "name": "a"}]
    assert [row["_change"] for row in diff.to_arrow().to_pylist()] == ["added", "changed"]
    back = dataset.snapshot().diff(dataset.snapshot(upto=1))
    assert (len(back.added), len(back.removed), len(back.changed)) == (0, 1, 1)
    assert diff.statistics["added"]["num_rows"] == 1
    assert back.removed.statistics["num_rows"] == 1
    same = dataset.snapshot().diff(dataset.snapshot())
    assert (len(same.added), len(same.removed), len(same.changed)) == (0, 0, 0)


def test_diff_of_rows_without_key_counts_repeats(lake: Lake) -> None:
    dataset = lake.create_dataset("t", type="TEXT_INTENT")
    a, b, c = ({"text": text, "labels": ["x"]} for text in "abc")
    dataset.commit([a, a, b])
    dataset.commit([a, c, c])
    diff = dataset.snapshot(upto=1).diff(dataset.snapshot())
    assert sorted(row["text"] for row in diff.added.to_arrow().to_pylist()) == ["a", "c", "c"]
    assert len(diff.removed) == len(diff.changed) == 0


def test_diff_over_datasets_matches_keys(lake: Lake) -> None:
    other = headrace.connect(fresh_memory_uri())
    first = lake.create_dataset("a", schema=_SCHEMA, key="id", source=[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    second = other.create_dataset(
        "b", schema=_SCHEMA, key="id", on_duplicate_key="keep", source=[{"id": 2, "name": "b"}, {"id": 3, "name": "c"}]
    )
    second.commit([{"id": 1, "name": "A"}])
    diff = first.snapshot().diff(second.snapshot())
    assert [len(part) for part in (diff.added, diff.removed, diff.changed)] == [1, 0, 1]


def test_statistics_count_what_is_there(lake: Lake) -> None:
    dataset = lake.create_dataset("t", type="TEXT_INTENT")
    dataset.commit(
        [{"text": "a", "labels": ["x", "y"]}, {"text": "a", "labels": ["x", "y"]}, {"text": "b", "labels": ["x"]}]
    )
    dataset.commit([{"text": "a", "labels": ["x", "y"]}])
    commit, whole = dataset.log()[0].statistics, dataset.statistics
    assert (commit["num_rows"], commit["num_distinct_rows"], commit["num_duplicate_rows"]) == (3, 2, 1)
    assert (whole["num_rows"], whole["num_distinct_rows"], whole["num_duplicate_rows"]) == (4, 2, 2)
    assert whole["labels"] == [["x", 4], ["y", 3]]


def test_lineage_leads_from_a_sample_to_its_file(lake: Lake, tmp_path: Any) -> None:
    path = tmp_path / "größe.csv"
    path.write_text('first,a\n"second\nline",b\nthird,c\n', encoding="utf-8")
    dataset = lake.create_dataset("t", type="TEXT_INTENT", source=str(path))
    snapshot = dataset.snapshot()
    snapshot.alias("prod")
    run = lake.record_run(snapshot, name="train", artefacts=["model.bin"], metrics={"accuracy": 0.75})
    (found,) = lake.lineage(snapshot[2]["_id"])
    assert found.source == path.as_uri()
    assert (found.line, found.member, found.commit, found.dataset) == (4, None, "1", "t")
    assert found.digest == snapshot[2]["_digest"].hex()
    assert found.snapshots == (snapshot.id,)
    assert [(item.name, item.metrics, item.artefacts) for item in found.runs] == [
        ("train", {"accuracy": 0.75}, ("model.bin",))
    ]
    assert [item.run_id for item in dataset.runs] == [run.run_id]
    lineage = snapshot.lineage()
    assert [commit.sources[0].uri for commit in lineage.commits] == [path.as_uri()]
    assert lineage.commits[0].sources[0].digest == found.source_digest is not None
    assert lineage.to_json()["runs"][0]["name"] == "train"


def test_lineage_finds_keys_with_colons_and_every_commit(lake: Lake) -> None:
    dataset = lake.create_dataset(
        "files", type="GENERIC", source=[{"name": "1:a", "data": b"x"}, {"name": "a", "data": b"y"}]
    )
    dataset.commit([{"name": "a", "data": b"z"}])
    assert [item.id for item in lake.lineage("a")] == ["1:a", "2:a"]
    assert [item.id for item in lake.lineage("1:a")] == ["1:a"]
    assert [item.id for item in lake.lineage("1:1:a")] == ["1:1:a"]
    assert lake.lineage("2:a")[0].media[0].size == 1


def test_audit_lists_every_change_in_the_order_of_time() -> None:
    clock = itertools.count(1_000_000, 1)
    lake = Lake(MemoryStore(fresh_memory_uri()), actor="tester@here", clock=lambda: next(clock))
    dataset = _keyed(lake, "keep")
    dataset.snapshot().alias("prod")
    entries = lake.audit()
    assert [entry.operation for entry in entries] == [
        "create", "create-dataset", "commit", "commit", "commit", "snapshot", "alias",
    ]  # fmt: skip
    assert {entry.actor for entry in entries} == {"tester@here"}
    assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)
    assert {entry.dataset for entry in entries} == {None, "rows_keep"}
    assert entries[2].to_json()["details"]["message"] == ""


def test_text_of_any_script_goes_everywhere(lake: Lake, tmp_path: Any) -> None:
    text = "größe \U0001f600 日本語 עברית \u202e e\u0301 \\ ' \" %"
    name = "größe 日本 100% #1?.bin"
    folder = tmp_path / "ordner ü"
    (folder / "日本").mkdir(parents=True)
    (folder / "日本" / name).write_bytes(b"content")
    texts = lake.create_dataset(
        "t",
        type="TEXT_INTENT",
        source=[{"text": text, "labels": [text, "b"], "größe (cm)": text}],
        description=text,
        owner=text,
        message=text,
        tags={"größe": "日本"},
    )
    assert (texts.description, texts.owner, texts.log()[0].message) == (text, text, text)
    snapshot = texts.snapshot(
        tags={"größe": "日本"}, where=f'"größe (cm)" = {text.replace(chr(39), chr(39) * 2)!r}'[:0] or "true"
    )
    assert _rows(snapshot, "text", "labels", "größe (cm)") == [(text, [text, "b"], text)]
    for media in ("copy", "reference"):
        files = lake.create_dataset(f"f_{media}", type="GENERIC", source=str(folder), media=media)
        row = files.snapshot()[0]
        assert (row["name"], row["data"]) == (f"日本/{name}", b"content")
        (found,) = lake.lineage(row["_id"])[-1:]
        assert found.member == f"日本/{name}"
    for view in (texts, texts.snapshot(), texts.log()[0], lake):
        html = view._repr_html_()
        assert html.startswith("<table>")
        assert repr(view)
    assert headrace.connect(lake.uri).verify().ok


def test_html_escapes_what_users_wrote(lake: Lake) -> None:
    dataset = lake.create_dataset(
        "t", type="TEXT_INTENT", source=[{"text": "a", "labels": ["b"]}], description="<script>x</script>"
    )
    assert "<script>" not in dataset._repr_html_()
    assert "&lt;script&gt;" in dataset._repr_html_()


def test_several_media_columns_with_nulls_read_back(lake: Lake) -> None:
    name = "photo from the left " * 8
    schema = pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            media_field(name, "image", nullable=True),
            media_field("größe", "bytes", nullable=True),
        ]
    )
    dataset = lake.create_dataset("pairs", schema=schema, key="id")
    rows = [
        {"id": str(idx), name: None if idx % 3 == 0 else image_bytes(shade=idx), "größe": b"" if idx % 2 else None}
        for idx in range(9)
    ]
    dataset.commit(rows[:5])
    dataset.commit(rows[5:])
    snapshot = dataset.snapshot()
    assert [{key: row[key] for key in rows[0]} for row in snapshot.to_arrow().to_pylist()] == rows
    order = [8, 0, 3, 1, -1, 4]
    assert [row[name] for row in snapshot.take(order).to_pylist()] == [rows[idx][name] for idx in order]
    assert snapshot.statistics["columns"][name]["null_count"] == 3
    assert snapshot.query(f'SELECT count("{name}") AS n FROM snapshot').to_pylist() == [{"n": 6}]
    assert lake.verify().ok


def test_to_pandas_gives_a_frame(lake: Lake) -> None:
    frame = _keyed(lake, "keep").snapshot().to_pandas(["id", "name"])
    assert frame["id"].tolist() == [1, 2, 3, 2, 4, 1, 2]


@pytest.fixture
def busy_threads() -> Iterator[None]:
    """Threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("busy_threads")
def test_threads_read_one_snapshot_at_once(lake: Lake) -> None:
    dataset = lake.create_dataset("photos", type="IMAGE_CLASS")
    for commit in range(4):
        dataset.commit(
            [{"id": f"{commit}-{idx}", "image": image_bytes(shade=idx), "label": str(idx % 3)} for idx in range(25)]
        )
    expected = dataset.snapshot().to_arrow()
    snapshot = headrace.connect(lake.uri).dataset("photos").snapshot(where="label <> '9'")

    def read(seed: int) -> bool:
        rows = np.random.default_rng(seed).integers(-100, 100, 30)
        found = snapshot.take(rows)
        same = bool(found.equals(expected.take(pa.array(np.where(rows < 0, rows + 100, rows))).combine_chunks()))
        return (
            same
            and snapshot.statistics["num_rows"] == 100
            and snapshot[seed % 100]["id"] == expected["id"][seed].as_py()
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(40)))


@pytest.mark.usefixtures("busy_threads")
def test_threads_write_and_list_one_lake_at_once(lake: Lake) -> None:
    dataset = lake.create_dataset("t", type="TEXT_INTENT", source=[{"text": "a", "labels": ["x"]}])
    is_done = threading.Event()

    def look() -> int:
        num_looks = 0
        while not is_done.is_set() or num_looks == 0:
            _ = dataset.snapshots, dataset.aliases, [item.name for item in lake.datasets()]
            lake.lineage("1:" + dataset.snapshot()[0]["_id"][2:])
            num_looks += 1
        return num_looks

    def change(writer: int) -> None:
        for idx in range(8):
            dataset.snapshot(where=f"len(text) > {writer * 100 + idx}").alias(f"a{writer}_{idx}")
            lake.create_dataset(f"d{writer}_{idx}", type="GENERIC")

    with ThreadPoolExecutor(6) as pool:
        looks = [pool.submit(look) for _ in range(2)]
        changes = [pool.submit(change, writer) for writer in range(4)]
        for future in changes:
            future.result()
        is_done.set()
        assert all(future.result() for future in looks)
    assert len(dataset.aliases) == 32
    assert [item.id for item in lake.datasets()] == [str(number) for number in range(1, 34)]
