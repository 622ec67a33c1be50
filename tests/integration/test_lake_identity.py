"""Names follow from content: the same input is the same commit and snapshot, however it is stored."""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace
from headrace.datasets.dataset import Dataset
from headrace.datasets.ingest import IngestLayout
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput
from headrace.storage.local import LocalStore
from tests.generated_media import image_bytes
from tests.scripted_store import ScriptedStore, fresh_memory_uri

_ROWS = [(f'utterance, number {idx} "é"', f"label {idx % 7}") for idx in range(300)]
_PHOTOS = {f"{label}/{idx:02d}.jpg": image_bytes(shade=idx * 3) for idx, label in enumerate(["cat", "dög"] * 6)}


def _names(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Everything that must not depend on how the rows are stored."""
    commits = [commit.digest for commit in dataset.log()]
    snapshot = dataset.snapshot()
    rows = snapshot.to_arrow()
    ids = [snapshot.id, *rows.column("_id").to_pylist(), *(item.hex() for item in rows.column("_digest").to_pylist())]
    return commits, ids


def _csv(folder: Path, rows: list[tuple[str, str]] = _ROWS, *, name: str = "rows.csv", **dialect: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=dialect.pop("lineterminator", "\n"), **dialect).writerows(rows)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue().encode())
    return str(path)


def _texts(lake: Lake, source: object, **options: Any) -> Dataset:
    return lake.create_dataset("texts", type="TEXT_INTENT", source=source, tags={"category": "aaa"}, **options)


def _local(folder: Path, **arguments: Any) -> Lake:
    return Lake(LocalStore(folder), **arguments)


def _variants(tmp_path: Path) -> Iterator[tuple[str, Dataset]]:
    source = _csv(tmp_path / "here")
    records = [{"text": text, "labels": [label]} for text, label in _ROWS]
    table = pa.Table.from_pylist(records)
    yield "plain", _texts(_local(tmp_path / "a"), source)
    yield "memory", _texts(headrace.connect(fresh_memory_uri()), source)
    yield "remote", _texts(Lake(ScriptedStore(is_local=False)), source)
    yield "small parts", _texts(_local(tmp_path / "b"), source, layout=IngestLayout(part_rows=7, row_group_rows=2))
    yield "another day and actor", _texts(_local(tmp_path / "c", actor="x@y", clock=lambda: 86_400_000_000), source)
    yield "another folder", _texts(_local(tmp_path / "d"), _csv(tmp_path / "there" / "deep", name="other.csv"))
    yield "quoted", _texts(_local(tmp_path / "e"), _csv(tmp_path / "q", quoting=csv.QUOTE_ALL, lineterminator="\r\n"))
    yield "message", _texts(_local(tmp_path / "f"), source, message="another message")
    yield "dicts", _texts(_local(tmp_path / "g"), records)
    yield "generator", _texts(_local(tmp_path / "h"), iter(records))
    yield "table", _texts(_local(tmp_path / "i"), table)
    yield "columns in another order", _texts(_local(tmp_path / "j"), table.select(["labels", "text"]))
    yield "reader in chunks", _texts(_local(tmp_path / "k"), table.to_reader(max_chunksize=11))
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=13)
    yield "parquet", _texts(_local(tmp_path / "l"), str(tmp_path / "rows.parquet"))
    halves = [_csv(tmp_path, _ROWS[:120], name="1.csv"), _csv(tmp_path, _ROWS[120:], name="2.csv")]
    yield "two files", _texts(_local(tmp_path / "m"), halves)
    lake = _local(tmp_path / "n")
    with pytest.raises(InvalidInput):
        _texts(lake, [{"text": "x"}])
    yield "after a failed create", _texts(lake, source)


def test_same_rows_are_the_same_commit_and_snapshot(tmp_path: Path) -> None:
    names = {what: _names(dataset) for what, dataset in _variants(tmp_path)}
    assert len(names) == 16
    for what, found in names.items():
        assert found == names["plain"], what


def test_known_names_stay_for_ever() -> None:
    """A change here renames the commits and snapshots of every lake."""
    dataset = _texts(headrace.connect(fresh_memory_uri()), [{"text": "how is the weather", "labels": ["weather"]}])
    assert dataset.log()[0].digest == "2878486cb0634efbf5aa972203288d9b2b5f9453c4fb6ae94c9b73ed62338c45"
    assert dataset.snapshot().id == "e5cf9a8a621d8c42b18e93333bca5ac7ae7b53a3f50884733ba192c9af3d7bcb"


def _photo_variants(tmp_path: Path) -> Iterator[tuple[str, Dataset]]:
    folder = tmp_path / "photos"
    for name, content in _PHOTOS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in sorted(_PHOTOS.items()):
            file.writestr(name, content)
    plain = tmp_path / "photos.tar"
    with tarfile.open(plain, "w") as tar:
        for name in sorted(_PHOTOS):
            tar.add(folder / name, name)

    def photos(name: str, source: object, **options: Any) -> Dataset:
        return _local(tmp_path / name).create_dataset("photos", type="IMAGE_CLASS", source=source, **options)

    rows = [
        {"id": name, "image": content, "label": name.partition("/")[0]} for name, content in sorted(_PHOTOS.items())
    ]
    yield "copied", photos("a", str(folder))
    yield "referenced", photos("b", str(folder), media="reference")
    yield "small shards", photos("c", str(folder), layout=IngestLayout(shard_bytes=1, part_rows=1))
    yield "zip", photos("d", str(archive))
    yield "tar", photos("e", str(plain))
    yield "tar in place", photos("j", str(plain), media="reference")
    yield "bytes", photos("f", rows)
    yield "paths", photos("g", [{**row, "image": str(folder / str(row["id"]))} for row in rows])
    yield (
        "paths in place",
        photos("h", [{**row, "image": str(folder / str(row["id"]))} for row in rows], media="reference"),
    )
    yield "table", photos("i", pa.Table.from_pylist(rows).to_reader(max_chunksize=5))


def test_same_media_is_the_same_commit_copied_or_adopted(tmp_path: Path) -> None:
    found = {}
    for what, dataset in _photo_variants(tmp_path):
        found[what] = _names(dataset)
        rows = dataset.snapshot().to_arrow()
        assert dict(zip(rows.column("id").to_pylist(), rows.column("image").to_pylist(), strict=True)) == _PHOTOS
        assert dataset.lake.verify().ok
        assert found[what] == found["copied"], what
    assert len(found) == 10


@pytest.mark.parametrize(
    "change",
    [
        lambda lake, rows: lake.create_dataset("t", type="TEXT_INTENT", source=rows, tags={"category": "bbb"}),
        lambda lake, rows: lake.create_dataset("t", type="TEXT_INTENT", source=rows),
        lambda lake, rows: lake.create_dataset("t", type="TEXT_INTENT", source=rows[::-1], tags={"category": "aaa"}),
        lambda lake, rows: lake.create_dataset("t", type="TEXT_INTENT", source=rows[:-1], tags={"category": "aaa"}),
        lambda lake, rows: lake.create_dataset(
            "t", type="TEXT_INTENT", source=[*rows, rows[0]], tags={"category": "aaa"}
        ),
        lambda lake, rows: lake.create_dataset(
            "t",
            type="TEXT_INTENT",
            source=[*rows[:-1], {**rows[-1], "text": rows[-1]["text"] + " "}],
            tags={"category": "aaa"},
        ),
        lambda lake, rows: lake.create_dataset(
            "t", type="TEXT_INTENT", source=[{**row, "note": None} for row in rows], tags={"category": "aaa"}
        ),
        lambda lake, rows: lake.create_dataset("t", type="TABLE", source=[*rows], tags={"category": "aaa"}),
    ],
    ids=["tag", "no tag", "order", "fewer", "repeat", "value", "column", "type"],
)
def test_other_content_is_another_commit_and_snapshot(change: Callable[[Lake, list[dict[str, Any]]], Dataset]) -> None:
    rows = [{"text": f"text {idx}", "labels": ["a"]} for idx in range(5)]
    first = headrace.connect(fresh_memory_uri()).create_dataset(
        "t", type="TEXT_INTENT", source=rows, tags={"category": "aaa"}
    )
    second = change(headrace.connect(fresh_memory_uri()), rows)
    assert first.log()[0].digest != second.log()[0].digest
    assert first.snapshot().id != second.snapshot().id


def test_snapshot_id_counts_what_is_chosen_and_nothing_else() -> None:
    lake = headrace.connect(fresh_memory_uri())
    dataset = lake.create_dataset("t", type="TEXT_INTENT", source=[{"text": "a", "labels": ["x"]}], tags={"k": "1"})
    dataset.commit([{"text": "b", "labels": ["y"]}], tags={"k": "2"})
    choices: list[dict[str, Any]] = [
        {},
        {"tags": {"k": "1"}},
        {"tags": {"k": "2"}},
        {"tags": {"k": "3"}},
        {"where": "text = 'a'"},
        {"where": "text='a'"},
        {"columns": ["text"]},
        {"columns": ["text", "labels"]},
        {"columns": ["labels", "text"]},
    ]
    ids = [dataset.snapshot(**choice).id for choice in choices]
    assert len(set(ids)) == len(ids)
    assert dataset.snapshot(upto="1").id == ids[1]
    assert dataset.snapshot(upto=2).id == ids[0]
    assert dataset.snapshot(tags=[]).id == ids[0]
    assert [dataset.snapshot(**choice).id for choice in choices] == ids
    sides = dataset.snapshot().split({"a": 0.5, "b": 0.5}, seed=1)
    others = dataset.snapshot().split({"a": 0.5, "b": 0.5}, seed=2)
    assert len({*ids, *(side.id for side in sides.values()), *(side.id for side in others.values())}) == len(ids) + 4
