"""Compaction, packing and purge: rows move or go, names stay."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import headrace
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.datasets.layout_writing import ContainerSizes
from headrace.datasets.row_proof import ClaimedRows, prove_many
from headrace.datasets.snapshot import Snapshot
from headrace.errors import Conflict, DataCorrupted, InvalidInput, NotFound, PermissionDenied
from tests.generated_media import image_bytes
from tests.scripted_store import fresh_memory_uri

CANARY = b"CANARY-7f3a"


def _files(lake: Lake, *, num_commits: int = 12) -> Dataset:
    dataset = lake.create_dataset("files", type="GENERIC")
    for number in range(num_commits):
        rows = [
            {"name": f"n{number}-{idx}", "data": random.Random(number * 10 + idx).randbytes(50 + 7 * idx)}
            for idx in range(4)
        ]
        dataset.commit([*rows, {"name": "same", "data": b"equal bytes"}], tags={"third": str(number % 3)})
    return dataset


def _reopened(lake: Lake, snapshot: Snapshot) -> Snapshot:
    return headrace.connect(lake.uri).dataset(snapshot.dataset.name).logged_snapshot(snapshot.id)


def _holds(lake: Lake, text: bytes) -> list[str]:
    return [stat.key for stat in lake.store.list("") if text in lake.store.get(stat.key)]


@pytest.fixture(params=["memory", "local"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return headrace.connect(fresh_memory_uri() if request.param == "memory" else str(tmp_path / "lake"))


def test_compact_keeps_ids_rows_and_lineage(lake: Lake) -> None:
    dataset = _files(lake)
    dataset.delete_rows(where="name = 'n3-1'")
    snapshots = [dataset.snapshot(), dataset.snapshot(tags={"third": "1"}), dataset.snapshot(where="length(name) > 4")]
    before = [item.to_arrow() for item in snapshots]
    lineage = lake.lineage("5:n4-2")[0]
    report = dataset.compact()
    assert (report.num_commits, report.parts_before, report.parts_after, report.shards_after) == (12, 12, 1, 1)
    collected = [item for item in lake.gc(grace_seconds=0).objects if "/objects/" in item.key]
    assert len(collected) == 24
    for snapshot, table in zip(snapshots, before, strict=True):
        again = _reopened(lake, snapshot)
        assert again.id == snapshot.id
        assert again.to_arrow().equals(table)
        assert snapshot.to_arrow().equals(table), "a snapshot in hand follows its rows"
    assert dataset.snapshot().id == snapshots[0].id
    moved = lake.lineage("5:n4-2")[0]
    assert (moved.source, moved.digest, moved.snapshots) == (lineage.source, lineage.digest, lineage.snapshots)
    assert lake.verify().ok


def test_pack_follows_rows_that_another_process_moved_and_collected(lake: Lake) -> None:
    _files(lake)
    snapshot = headrace.connect(lake.uri).dataset("files").snapshot()  # reads nothing, so nothing is cached
    expected = lake.dataset("files").snapshot().to_arrow()
    lake.dataset("files").compact()
    lake.gc(grace_seconds=0)
    assert snapshot.pack().num_rows == 60
    assert snapshot.to_arrow().equals(expected)
    assert lake.verify().ok


def test_compact_moves_columns_whose_type_widened_after_commits_without_them(lake: Lake) -> None:
    """Commits with two types of a column do not meet in one part, even with a commit between that has none."""
    dataset = lake.create_dataset("rows", type="TABLE")
    for table in (
        pa.table({"a": [1], "b": pa.array([1], pa.int32())}),
        pa.table({"a": [2]}),
        pa.table({"a": [3], "b": pa.array([2**40], pa.int64())}),
    ):
        dataset.commit(table)
    before = dataset.snapshot().to_arrow()
    assert dataset.compact().num_commits == 3
    assert headrace.connect(lake.uri).dataset("rows").snapshot().to_arrow().equals(before)
    assert lake.verify().ok


def test_proof_of_many_commits_tells_which_one_does_not_lie_where_it_is_said_to(lake: Lake) -> None:
    dataset = _files(lake)
    dataset.compact()
    claimed = [
        ClaimedRows(record, dataset.reader.layout_of(record), dataset.reader.manifest(record).logical.rows_root)
        for record in dataset.state().commits
    ]
    counts: list[int] = []
    prove_many(dataset, claimed, done=counts.append)
    assert counts == [60], "all of them at once"
    swapped = list(claimed)
    swapped[4] = replace(claimed[4], layout=claimed[6].layout)
    with pytest.raises(DataCorrupted, match="commit 5 of 'files': its rows do not add up"):
        prove_many(dataset, swapped)
    lies = claimed[7].layout
    short = replace(lies, slices=(replace(lies.slices[0], num_rows=4),))
    with pytest.raises(DataCorrupted, match="commit 8 of 'files'"):
        prove_many(dataset, [*claimed[:7], replace(claimed[7], layout=short), *claimed[8:]])


def test_compact_twice_has_nothing_to_do_and_new_commits_join(lake: Lake) -> None:
    dataset = _files(lake)
    dataset.compact()
    assert dataset.compact().num_commits == 0
    dataset.commit([{"name": "late", "data": b"late"}])
    table = dataset.select().to_arrow()
    assert dataset.compact().parts_after == 1
    assert dataset.select().to_arrow().equals(table)
    assert lake.verify().ok


def test_compact_leaves_large_commits_where_they_lie() -> None:
    """Small sizes stand for large commits: only runs of small neighbours move."""
    lake = headrace.connect(fresh_memory_uri())
    dataset = lake.create_dataset("texts", type="TEXT_INTENT")
    for number, num_rows in enumerate((1, 1, 100, 1, 1, 1)):
        dataset.commit([{"text": f"{number} {idx}", "labels": ["a"]} for idx in range(num_rows)])
    layout = dataset.state().commits[2].layout
    report = dataset.compact(sizes=ContainerSizes(part_rows=50))
    records = dataset.state().commits
    assert report.num_commits == 5
    assert records[2].layout is layout is None
    assert records[0].layout is not None
    assert lake.verify().ok


def test_compact_cuts_parts_and_keeps_order() -> None:
    lake = headrace.connect(fresh_memory_uri())
    dataset = lake.create_dataset("texts", type="TEXT_INTENT")
    for number in range(30):
        dataset.commit([{"text": f"{number} {idx}", "labels": ["a"]} for idx in range(number % 5 + 1)])
    table = dataset.select().to_arrow()
    report = dataset.compact(sizes=ContainerSizes(part_rows=20))
    assert report.parts_after == -(-table.num_rows // 20)
    assert dataset.select().to_arrow().equals(table)
    rows = np.random.default_rng(1).permutation(table.num_rows)
    assert dataset.select().take(rows).equals(table.take(pa.array(rows)).combine_chunks())


def test_compact_of_columns_that_came_later(lake: Lake) -> None:
    dataset = lake.create_dataset("photos", type="IMAGE_TEXT")
    image = image_bytes()
    dataset.commit([{"id": "1", "image": image, "text": "a"}])
    dataset.commit([{"id": "2", "image": image, "text": "b", "score": 0.5}])
    dataset.commit([{"id": "3", "image": image_bytes(shade=9), "text": "c", "other": 1}])
    rows = dataset.snapshot().to_arrow().to_pylist()
    dataset.compact()
    assert dataset.snapshot().to_arrow().to_pylist() == rows
    assert lake.verify().ok


def test_compact_refuses_rotten_rows(tmp_path: Path) -> None:
    lake = headrace.connect(str(tmp_path / "lake"))
    dataset = _files(lake)
    shard = next(path for path in sorted(tmp_path.rglob("*.tar")))
    data = bytearray(shard.read_bytes())
    data[520] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(data)
    number = dataset.log_of_entries.number
    with pytest.raises(DataCorrupted):
        headrace.connect(lake.uri).dataset("files").compact()
    assert headrace.connect(lake.uri).dataset("files").state().commits[0].layout is None
    assert dataset.log_of_entries.number == number


def test_pack_holds_the_rows_of_the_snapshot_only(lake: Lake) -> None:
    dataset = _files(lake)
    snapshot = dataset.snapshot(where="name <> 'same'", columns=["data"])
    table = snapshot.to_arrow(["data", "_id", "_commit"])
    report = snapshot.pack()
    assert (report.num_rows, report.num_parts, report.num_shards) == (48, 1, 1)
    assert snapshot.pack() == report
    for item in (snapshot, _reopened(lake, snapshot)):
        assert item.to_arrow(["data", "_id", "_commit"]).equals(table)
        assert item.take([40, 3, 3]).equals(table.select(["data"]).take([40, 3, 3]).append_column("_id", table.column("_id").take([40, 3, 3])).append_column("_digest", item.take([40, 3, 3], columns=["_digest"]).column(0)).combine_chunks())  # fmt: skip  # noqa: E501
    assert lake.gc(grace_seconds=0).num_objects == 0
    assert lake.verify().ok
    snapshot.forget()
    assert lake.gc(grace_seconds=0).num_objects == 4  # the manifest, the layout, its part and its shard
    assert snapshot.to_arrow(["data", "_id", "_commit"]).equals(table)


def test_pack_of_a_snapshot_in_hand_follows_its_rows(lake: Lake) -> None:
    """Compaction moved them and a collection removed the old objects since it was taken."""
    dataset = _files(lake)
    snapshot = dataset.snapshot()
    table = snapshot.to_arrow()
    other = headrace.connect(lake.uri)
    other.dataset("files").compact()
    other.gc(grace_seconds=0)
    assert snapshot.pack().num_rows == table.num_rows
    assert _reopened(lake, snapshot).to_arrow().equals(table)


def test_pack_of_an_empty_snapshot_is_refused(lake: Lake) -> None:
    with pytest.raises(InvalidInput, match="no rows"):
        _files(lake, num_commits=1).snapshot(where="false").pack()


Prepare = Callable[[Dataset], None]


def _nothing(dataset: Dataset) -> None:
    pass


def _compacted(dataset: Dataset) -> None:
    dataset.compact()


def _packed(dataset: Dataset) -> None:
    dataset.snapshot().pack()


def _hidden(dataset: Dataset) -> None:
    dataset.delete_commit("3")
    dataset.delete_rows(where="name = 'n1-1'")


@pytest.mark.parametrize("prepare", [_nothing, _compacted, _packed, _hidden])
def test_purge_leaves_no_byte_and_changes_nothing_else(lake: Lake, prepare: Prepare, tmp_path: Path) -> None:
    name = CANARY.decode()
    dataset = _files(lake)
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / f"{name}.bin").write_bytes(CANARY * 40)
    (folder / "other.bin").write_bytes(b"stays")
    (folder / "shared.bin").write_bytes(b"equal bytes")
    dataset.commit(folder, tags={"who": "them"})
    snapshots = [dataset.snapshot(), dataset.snapshot(tags={"who": "them"}), dataset.snapshot(tags={"third": "2"})]
    tables = [item.to_arrow() for item in snapshots]
    sides = dataset.snapshot(where="length(name) > 1").split({"a": 0.5, "b": 0.5}, seed=1, stratify="name")
    dealt = {side: set(item.to_arrow(["_id"]).column(0).to_pylist()) for side, item in sides.items()}
    prepare(dataset)
    snapshots[1].materialise()
    dataset.select(where="length(name) > 2").materialise()  # of a selection that nobody logs
    other = lake.create_dataset("other", type="GENERIC", source=[{"name": "a", "data": b"b"}])
    kept = other.snapshot().materialise()
    dry = dataset.purge(keys=[f"{name}.bin"], dry_run=True)
    assert (dry.num_rows, dry.num_media_bytes, len(dry.commits)) == (1, 40 * len(CANARY), 1)
    assert _holds(lake, CANARY), "a dry run erases nothing"
    report = dataset.purge(where=f"name = '{name}.bin'")
    assert (report.num_rows, report.num_media_bytes, report.commits) == (1, dry.num_media_bytes, dry.commits)
    lake.gc()
    assert _holds(lake, CANARY) == []
    assert [stat.key for stat in lake.store.list("") if name in stat.key] == []
    assert any(stat.key.startswith(f"derived/views/{other.snapshot().id}") for stat in lake.store.list("derived/"))
    assert [file.name for file in kept.files] == ["part-0-0"]
    assert _reopened(lake, snapshots[1]).materialise().files
    for snapshot, table in zip(snapshots, tables, strict=True):
        again = _reopened(lake, snapshot)
        assert again.id == snapshot.id
        expected = table.filter(pc.invert(pc.equal(table.column("name"), f"{name}.bin"))).combine_chunks()
        assert again.to_arrow().equals(expected)
        assert again.num_rows == expected.num_rows
        assert again.num_redacted == (1 if table.num_rows > expected.num_rows else 0)
    gone = {item for item in dealt["a"] | dealt["b"] if name in item}
    for side, item in sides.items():
        assert set(_reopened(lake, item).to_arrow(["_id"]).column(0).to_pylist()) == dealt[side] - gone
    assert lake.verify().ok, lake.verify().problems
    assert dataset.compact().num_commits in (0, 13)
    lake.gc(grace_seconds=0)
    assert lake.verify().ok


def test_purge_erases_copies_that_a_later_compaction_left_behind(lake: Lake) -> None:
    """The third commit moves on, its old rows stay beside those of the first two, in a layout that is in use."""
    dataset = lake.create_dataset("files", type="GENERIC")
    sizes = ContainerSizes(part_rows=7)

    def commit(number: int, num_rows: int) -> None:
        dataset.commit([{"name": f"n{number}-{idx}", "data": CANARY + b"%d" % number} for idx in range(num_rows)])

    for number, num_rows in enumerate((3, 4, 2)):
        commit(number, num_rows)
    dataset.compact(sizes=sizes)
    commit(3, 2)
    dataset.compact(sizes=sizes)
    first, third = dataset.state().commits[0].layout, dataset.state().commits[2].layout
    assert first is not None
    assert 3 in dataset.reader.layout(first).commits
    assert third != first
    table = dataset.snapshot().to_arrow()
    dry = dataset.purge(where="name LIKE 'n2-%'", dry_run=True)
    assert dry.num_bytes_rewritten > sum(part.size for part in dataset.reader.layout(str(third)).parts)
    assert dataset.purge(where="name LIKE 'n2-%'").num_rows == 2
    lake.gc(grace_seconds=0)
    assert _holds(lake, CANARY + b"2") == []
    assert _holds(lake, CANARY + b"1") != []
    expected = table.filter(pc.invert(pc.starts_with(table.column("name"), "n2-")))
    assert dataset.snapshot().to_arrow().equals(expected.combine_chunks())
    assert lake.verify().ok


def test_purge_takes_folders_of_views_too(tmp_path: Path) -> None:
    """A folder in the way would keep the view from being made again."""
    lake = headrace.connect(str(tmp_path / "lake"))
    rows = [{"id": name, "image": image_bytes(shade=idx), "text": name} for idx, name in enumerate("abc")]
    dataset = lake.create_dataset("photos", type="IMAGE_TEXT", source=rows)
    snapshot = dataset.snapshot()
    before = [file.name for file in snapshot.materialise().files]
    assert before[0].startswith("examples/")
    assert dataset.purge(keys=["1:a"]).num_views == 1
    views = tmp_path / "lake" / "derived" / "views"
    assert list(views.iterdir()) == []
    assert len(_reopened(lake, snapshot).materialise().files) == len(before) - 1
    assert lake.purge_dataset("photos") > 0
    assert list(views.iterdir()) == []


def test_purge_that_dies_after_its_claim_has_deleted_views(lake: Lake) -> None:
    """Nobody could ask again: the rows are gone."""
    dataset = _files(lake, num_commits=2)
    dataset.commit([{"name": "secret", "data": CANARY}])
    dataset.snapshot().materialise()
    append = dataset.append

    def die(operation: str, *args: object, **kwargs: object) -> object:
        append(operation, *args, **kwargs)  # type: ignore[arg-type]
        raise InterruptedError

    dataset.append = die  # type: ignore[method-assign, assignment]
    with pytest.raises(InterruptedError):
        dataset.purge(where="name = 'secret'")
    lake = headrace.connect(lake.uri)
    lake.gc(grace_seconds=0)
    assert _holds(lake, CANARY) == []
    assert lake.dataset("files").purge(where="name = 'secret'").num_rows == 0


def test_purge_in_a_dataset_where_rows_replace_erases_all_versions(lake: Lake) -> None:
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("text", pa.string())])
    dataset = lake.create_dataset("t", schema=schema, key="id")
    dataset.commit([{"id": 1, "text": "first CANARY-7f3a"}, {"id": 2, "text": "b"}])
    dataset.commit([{"id": 1, "text": "second"}])
    old, new = dataset.snapshot(upto=1), dataset.snapshot()
    assert dataset.purge(where="text = 'second'").num_rows == 2
    assert _reopened(lake, old).to_arrow(["id"]).column(0).to_pylist() == [2]
    assert _reopened(lake, new).to_arrow(["id"]).column(0).to_pylist() == [2]
    lake.gc()
    assert _holds(lake, CANARY) == []
    dataset.commit([{"id": 1, "text": "again"}])
    assert sorted(dataset.select().to_arrow(["id"]).column(0).to_pylist()) == [1, 2]
    assert lake.verify().ok


def test_purge_of_statistics_quarantine_and_source_names(lake: Lake, tmp_path: Path) -> None:
    name = CANARY.decode()
    first, second = tmp_path / f"{name}.csv", tmp_path / "other.csv"
    first.write_text(f"{name} text,{name}label\n{name} text,{name}label\n{name} alone\n")
    second.write_text("plain,label\n")
    dataset = lake.create_dataset("texts", type="TEXT_INTENT")
    dataset.commit([str(first), str(second)], on_invalid="skip")
    assert _holds(lake, CANARY)
    assert dataset.purge(where=f"text LIKE '{name}%'").num_rows == 2
    lake.gc()
    assert _holds(lake, CANARY) == []
    statistics = dataset.log()[0].statistics
    assert statistics["num_rows"] == 1
    assert lake.verify().ok


def test_purge_twice_and_of_nothing(lake: Lake) -> None:
    dataset = _files(lake, num_commits=3)
    assert dataset.purge(where="name = 'n0-0'").num_rows == 1
    assert dataset.purge(where="name = 'n0-0'").num_rows == 0
    assert dataset.purge(where="name = 'n0-1'").num_rows == 1
    with pytest.raises(NotFound, match="n0-1"):
        dataset.purge(keys=["n0-1"])
    assert lake.verify().ok
    assert dataset.num_rows == 13


def test_purge_is_forbidden_under_a_hold(lake: Lake) -> None:
    dataset = _files(lake, num_commits=1)
    dataset.hold("case 12")
    with pytest.raises(PermissionDenied, match="case 12"):
        dataset.purge(where="true")
    dataset.release()
    assert dataset.purge(where="true").num_rows == 5


def test_purge_says_which_objects_outside_the_lake_still_hold_the_bytes(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.bin").write_bytes(CANARY)
    (folder / "b.bin").write_bytes(b"b")
    dataset = lake.create_dataset("photos", type="GENERIC", source=folder, media="reference")
    report = dataset.purge(keys=["a.bin"])
    assert [os.path.basename(uri) for uri in report.adopted] == ["a.bin"]
    assert dataset.select().to_arrow(["name"]).column(0).to_pylist() == ["b.bin"]
    assert lake.verify().ok


def test_purge_while_others_commit_and_compact(lake: Lake) -> None:
    """A purge starts over when the rows that it looked at are no longer all, or lie elsewhere."""
    dataset = _files(lake, num_commits=2)
    other = headrace.connect(lake.uri).dataset("files")
    append = dataset.append
    calls: list[str] = []

    def meanwhile(operation: str, *args: object, **kwargs: object) -> object:
        if operation == "purge" and len(calls) < 2:
            calls.append(operation)
            other.commit([{"name": "n0-0", "data": CANARY}]) if len(calls) == 1 else other.compact()
        return append(operation, *args, **kwargs)  # type: ignore[arg-type]

    dataset.append = meanwhile  # type: ignore[method-assign, assignment]
    assert dataset.purge(where="name = 'n0-0'").num_rows == 2
    lake.gc()
    assert _holds(lake, CANARY) == []
    assert lake.verify().ok


def test_a_snapshot_in_hand_says_that_its_rows_were_purged(lake: Lake) -> None:
    dataset = _files(lake, num_commits=2)
    snapshot = headrace.connect(lake.uri).dataset("files").snapshot()
    dataset.purge(where="name = 'n0-0'")
    lake.gc()
    with pytest.raises(Conflict, match="open it again"):
        snapshot.to_arrow()
