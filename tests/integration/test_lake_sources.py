"""Everything that a commit takes: where the rows come from, what is left out, and what is adopted in place."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace
from headrace.datasets.columns import media_field
from headrace.datasets.lake import Lake
from headrace.errors import DataCorrupted, InvalidInput, NotFound
from headrace.storage.memory import MemoryStore
from tests.generated_media import image_bytes
from tests.scripted_store import fresh_memory_uri

_ROWS = [{"id": idx, "name": f"name {idx}", "score": idx / 2} for idx in range(10)]
_SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("score", pa.float64())])


@pytest.fixture
def lake(lake_uri: str) -> Lake:
    return headrace.connect(lake_uri)


def _plain(dataset: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = dataset.snapshot().to_arrow().drop_columns(["_id", "_digest"]).to_pylist()
    return rows


def _table_sources(folder: Path) -> Iterator[tuple[str, Any]]:
    table = pa.Table.from_pylist(_ROWS, _SCHEMA)
    yield "dicts", _ROWS
    yield "tuple of dicts", tuple(_ROWS)
    yield "generator", (row for row in _ROWS)
    yield "arrow table", table
    yield "arrow batch", table.to_batches()[0]
    yield "arrow reader", table.to_reader(max_chunksize=3)
    yield "pandas", pd.DataFrame(_ROWS)
    yield "polars", pl.DataFrame(_ROWS)
    pq.write_table(table, folder / "rows.parquet", row_group_size=3)
    yield "parquet", folder / "rows.parquet"
    text = "id,name,score\n" + "".join(f"{row['id']},{row['name']},{row['score']}\n" for row in _ROWS)
    (folder / "rows.csv").write_text(text)
    yield "csv", folder / "rows.csv"
    (folder / "rows.tsv").write_text(text.replace(",", "\t"))
    yield "tsv", folder / "rows.tsv"
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _ROWS))
    yield "json lines", folder / "rows.jsonl"
    (folder / "rows.json").write_text(json.dumps(_ROWS))
    yield "json", str(folder / "rows.json")
    yield "file URI", (folder / "rows.json").as_uri()
    for idx in range(2):
        (folder / f"half-{idx}.json").write_text(json.dumps(_ROWS[idx * 5 : idx * 5 + 5]))
    yield "list", [folder / "half-0.json", str(folder / "half-1.json")]
    yield "glob", str(folder / "half-*.json")
    store = MemoryStore(f"{fresh_memory_uri()}/in")
    store.put("a b/rows.json", json.dumps(_ROWS).encode())
    yield "memory store", f"{store.uri}/a b/rows.json"


def test_every_kind_of_table_is_the_same_commit(lake: Lake, tmp_path: Path) -> None:
    digests = {}
    for idx, (what, source) in enumerate(_table_sources(tmp_path)):
        dataset = lake.create_dataset(f"d{idx}", schema=_SCHEMA, source=source)
        assert _plain(dataset) == _ROWS, what
        digests[what] = dataset.log()[0].digest
    assert len(digests) == 17
    assert set(digests.values()) == {digests["dicts"]}
    assert lake.verify().ok


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_keep_nulls_times_and_categories(lake: Lake, library: str) -> None:
    columns: dict[str, Any] = {
        "text": ["a", None, "ü"],
        "number": [1, None, 3],
        "moment": [datetime(2026, 1, 1, 0, 0, 0, 123456), None, datetime(2026, 1, 3)],
    }
    if library == "pandas":
        frame: Any = pd.DataFrame(columns)
        frame["number"] = frame["number"].astype("Int64")
        frame["kind"] = pd.Categorical(["x", "y", "x"])
    else:
        frame = pl.DataFrame(columns).with_columns(pl.Series("kind", ["x", "y", "x"], dtype=pl.Categorical))
    dataset = lake.create_dataset("rows", type="TABLE", source=frame)
    rows = _plain(dataset)
    assert [row["text"] for row in rows] == ["a", None, "ü"]
    assert [row["number"] for row in rows] == [1, None, 3]
    assert [row["kind"] for row in rows] == ["x", "y", "x"]
    assert dataset.schema.field("kind").type == pa.string()
    assert [row["moment"] for row in rows] == columns["moment"]


def _photo_folder(folder: Path, **more: bytes) -> Path:
    root = folder / "photos"
    for name in ("cat/a.jpg", "cat/b.jpg", "dog/a.jpg"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image_bytes(shade=len(name) + ord(name[4])))
    for name, content in more.items():
        (root / name.replace("__", "/")).write_bytes(content)
    return root


def test_photos_come_as_folder_archive_list_or_table(lake: Lake, tmp_path: Path) -> None:
    root = _photo_folder(tmp_path)
    archives = {name: tmp_path / name for name in ("photos.zip", "photos.tar", "photos.tar.gz")}
    with zipfile.ZipFile(archives["photos.zip"], "w") as archive:
        for path in sorted(root.rglob("*.jpg")):
            archive.write(path, path.relative_to(root))
    for name, mode in (("photos.tar", "w"), ("photos.tar.gz", "w:gz")):
        with tarfile.open(archives[name], mode) as tar:  # type: ignore[call-overload]
            for path in sorted(root.rglob("*.jpg")):
                tar.add(path, path.relative_to(root))
    digests = set()
    for idx, source in enumerate([root, *archives.values(), root.as_uri()]):
        dataset = lake.create_dataset(f"p{idx}", type="IMAGE_CLASS", source=source)
        assert [(row["id"], row["label"]) for row in _plain(dataset)] == [
            ("cat/a.jpg", "cat"), ("cat/b.jpg", "cat"), ("dog/a.jpg", "dog"),
        ]  # fmt: skip
        digests.add(dataset.log()[0].digest)
    assert len(digests) == 1
    store = MemoryStore(f"{fresh_memory_uri()}/photos")
    for path in root.rglob("*.jpg"):
        store.put(str(path.relative_to(root)), path.read_bytes())
    remote = lake.create_dataset("remote", type="IMAGE_CLASS", source=store.uri)
    assert remote.log()[0].digest in digests


def test_invalid_rows_are_left_out_and_listed_when_asked(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("good,a\nbad\nalso good,b;c\nbad too\n")
    dataset = lake.create_dataset("t", type="TEXT_INTENT", source=path, on_invalid="skip")
    commit = dataset.log()[0]
    assert [row["text"] for row in _plain(dataset)] == ["good", "also good"]
    assert (commit.num_rows, commit.num_rejected, commit.statistics["num_rejected"]) == (2, 2, 2)
    assert [(row.origin_uri, row.line) for row in commit.rejected] == [(path.as_uri(), 2), (path.as_uri(), 4)]
    assert all("one column only" in row.reason for row in commit.rejected)
    assert dataset.snapshot().statistics["num_rejected"] == 2
    again = headrace.connect(lake.uri).dataset("t").log()[0]
    assert again.rejected == commit.rejected
    clean = lake.create_dataset("clean", type="TEXT_INTENT", source=[
        {"text": "good", "labels": ["a"]}, {"text": "also good", "labels": ["b", "c"]},
    ])  # fmt: skip
    assert clean.log()[0].digest == commit.digest, "what was left out is no part of the content"


def test_broken_media_is_left_out_and_listed_when_asked(lake: Lake, tmp_path: Path) -> None:
    root = _photo_folder(tmp_path, cat__c=b"", cat__d=b"x", dog__e=image_bytes()[:99])
    for name in ("cat/c", "cat/d", "dog/e"):
        (root / name).rename(root / f"{name}.jpg")
    (root / "dog" / "notes.exe").write_bytes(b"MZ")
    dataset = lake.create_dataset("photos", type="IMAGE_CLASS", source=root, on_invalid="skip")
    commit = dataset.log()[0]
    assert [row["id"] for row in _plain(dataset)] == ["cat/a.jpg", "cat/b.jpg", "dog/a.jpg"]
    assert sorted(row.member or "" for row in commit.rejected) == [
        "cat/c.jpg", "cat/d.jpg", "dog/e.jpg", "dog/notes.exe",
    ]  # fmt: skip
    assert commit.num_rejected == 4
    assert all(row.reason for row in commit.rejected)
    assert not any(str(root) in row.reason for row in commit.rejected)  # `member` says which file
    assert dataset.snapshot().materialise().files
    assert lake.verify().ok


def test_rows_of_a_table_are_left_out_and_listed_when_asked(lake: Lake, tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field("id", pa.int64(), nullable=False),
            pa.field("n", pa.int8()),
            media_field("image", "image", nullable=True),
        ]
    )
    (tmp_path / "a.jpg").write_bytes(image_bytes())
    path = tmp_path / "rows.csv"
    path.write_text("id,n,image\n1,5,a.jpg\n2,500,a.jpg\n,5,a.jpg\n3,6,../x.jpg\n4,7,nope.jpg\n1,8,a.jpg\n5,,\n")
    dataset = lake.create_dataset("rows", schema=schema, key="id", source=path, on_invalid="skip")
    commit = dataset.log()[0]
    assert [(row["id"], row["n"], row["image"] is None) for row in _plain(dataset)] == [(1, 5, False), (5, None, True)]
    assert sorted(row.line or 0 for row in commit.rejected) == [3, 4, 5, 6, 7]
    reasons = {row.line: row.reason for row in commit.rejected}
    assert "500" in reasons[3]
    assert "null" in reasons[4]
    assert "leads out" in reasons[5]
    assert "no such file" in reasons[6]
    assert "appears twice" in reasons[7]


def test_repeated_key_names_both_places_in_the_same_way(lake: Lake, tmp_path: Path) -> None:
    for name, text in (("a.csv", "id,n\n7,1\n8,2\n"), ("b.csv", "id,n\n9,3\n7,4\n")):
        (tmp_path / name).write_text(text)
    schema = pa.schema([("id", pa.int64()), ("n", pa.int64())])
    dataset = lake.create_dataset("rows", schema=schema, key="id")
    with pytest.raises(InvalidInput) as caught:
        dataset.commit([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert str(caught.value).startswith(
        f"{tmp_path}/b.csv:3: the key '7' appears twice in this commit, first at {tmp_path}/a.csv:2; "
    )
    with pytest.raises(InvalidInput, match=r"^memory:rows:3: the key '5' appears twice .*, first at memory:rows:2; "):
        dataset.commit([{"id": 4, "n": 1}, {"id": 5, "n": 1}, {"id": 5, "n": 1}])


def test_repeated_key_names_the_first_row_that_stayed(lake: Lake) -> None:
    schema = pa.schema([pa.field("id", pa.string(), nullable=False), media_field("image", "image")])
    dataset = lake.create_dataset("rows", schema=schema, key="id")
    rows = [("a", b"broken"), ("b", image_bytes()), ("c", image_bytes()), ("c", image_bytes()), ("b", image_bytes())]
    commit = dataset.commit([{"id": key, "image": image} for key, image in rows], on_invalid="skip")
    reasons = {row.line: row.reason for row in commit.rejected}
    assert sorted(line or 0 for line in reasons) == [1, 4, 5]
    assert "first at memory:rows:3;" in reasons[4]
    assert "first at memory:rows:2;" in reasons[5]


def test_skipping_keeps_the_first_row_of_a_key(lake: Lake) -> None:
    schema = pa.schema([pa.field("id", pa.string(), nullable=False), media_field("image", "image", nullable=True)])
    dataset = lake.create_dataset("rows", schema=schema, key="id")
    commit = dataset.commit(
        [
            {"id": "a", "image": b"broken"},
            {"id": "a", "image": image_bytes(shade=1)},
            {"id": "a", "image": image_bytes(shade=2)},
            {"id": "b", "image": None},
        ],
        on_invalid="skip",
    )
    assert commit.num_rejected == 2
    rows = _plain(dataset)
    assert [(row["id"], row["image"]) for row in rows] == [("a", image_bytes(shade=1)), ("b", None)]
    assert lake.verify().ok


@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 100])
def test_what_is_left_out_does_not_depend_on_chunks(lake: Lake, chunk_rows: int) -> None:
    good, broken = image_bytes(), b"broken"
    keys = ["a", "a", "b", None, "b", "b", "c", "a", "d", "d"]
    images = [broken, good, broken, good, broken, good, good, good, broken, broken]
    table = pa.table({"id": keys, "image": pa.array(images, pa.binary())})
    dataset = lake.create_dataset(
        "rows", schema=pa.schema([("id", pa.string()), media_field("image", "image")]), key="id"
    )
    commit = dataset.commit(table.to_reader(max_chunksize=chunk_rows), on_invalid="skip")
    assert [row["id"] for row in _plain(dataset)] == ["a", "b", "c"]
    assert [row.line for row in commit.rejected] == [1, 3, 4, 5, 8, 9, 10] or chunk_rows > 1
    assert sorted(row.line or 0 for row in commit.rejected) == [1, 3, 4, 5, 8, 9, 10]
    assert lake.verify().ok


def test_very_many_rejected_rows_are_counted_and_the_list_is_cut(lake: Lake) -> None:
    table = pa.table({"id": pa.array([*range(5), *[None] * 10_050], pa.int64())})
    dataset = lake.create_dataset("rows", schema=pa.schema([("id", pa.int64())]), key="id")
    commit = dataset.commit(table, on_invalid="skip")
    assert (commit.num_rows, commit.num_rejected, len(commit.rejected)) == (5, 10_050, 10_000)


# -- adopted in place -------------------------------------------------------------------------------------------------


def _adopted(tmp_path: Path) -> tuple[Path, Any]:
    root = _photo_folder(tmp_path)
    lake = headrace.connect(tmp_path / "lake")
    return root, lake.create_dataset("photos", type="IMAGE_CLASS", source=root, media="reference")


def test_adopted_files_are_not_copied(tmp_path: Path) -> None:
    root, dataset = _adopted(tmp_path)
    assert not list((tmp_path / "lake").rglob("*.tar"))
    rows = _plain(dataset)
    assert [row["image"] for row in rows] == [path.read_bytes() for path in sorted(root.rglob("*.jpg"))]
    (found,) = dataset.lake.lineage("dog/a.jpg")
    assert found.media[0].is_adopted
    assert found.media[0].container == (root / "dog" / "a.jpg").as_uri()
    assert dataset.lake.verify().ok


@pytest.mark.parametrize("change", ["flipped", "cut", "replaced", "gone"])
def test_adopted_file_that_changed_is_named_and_never_given_out(tmp_path: Path, change: str) -> None:
    root, dataset = _adopted(tmp_path)
    path = root / "cat" / "b.jpg"
    status, data = path.stat(), path.read_bytes()
    if change == "flipped":
        path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # nobody notices by looking at the file's status
    elif change == "cut":
        path.write_bytes(data[:-10])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "replaced":
        path.write_bytes(image_bytes(shade=77))
    else:
        path.unlink()
    snapshot = headrace.connect(tmp_path / "lake").snapshot("photos")
    assert snapshot.take([0, 2]).num_rows == 2
    with pytest.raises(DataCorrupted, match=r"cat/b\.jpg"):
        snapshot.take([1])
    with pytest.raises(DataCorrupted, match=r"cat/b\.jpg"):
        snapshot.to_arrow()
    report = dataset.lake.verify()
    assert not report.ok
    assert any("cat/b.jpg" in problem.message for problem in report.problems)
    assert snapshot.to_arrow(columns=["id", "label"]).num_rows == 3, "other columns do not need it"


def test_adopted_objects_of_a_store_are_read_by_range(lake: Lake) -> None:
    store = MemoryStore(f"{fresh_memory_uri()}/deep/in")
    images = [image_bytes(shade=shade) for shade in range(4)]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for idx, image in enumerate(images):
            info = tarfile.TarInfo(f"cat/ü {idx}.jpg")
            info.size = len(image)
            tar.addfile(info, io.BytesIO(image))
    store.put("photos 100%.tar", buffer.getvalue())
    for idx, image in enumerate(images):
        store.put(f"folder #1/cat/{idx}?.jpg", image)
    for name, source in (("tar", f"{store.uri}/photos 100%.tar"), ("folder", f"{store.uri}/folder #1")):
        dataset = lake.create_dataset(name, type="IMAGE_CLASS", source=source, media="reference")
        assert [row["image"] for row in _plain(dataset)] == images
        assert [row["image"] for row in dataset.snapshot().take([3, 1, 1]).to_pylist()] == [
            images[3],
            images[1],
            images[1],
        ]
    assert lake.verify().ok
    store.delete("photos 100%.tar")
    with pytest.raises((DataCorrupted, NotFound), match=r"photos 100%\.tar"):
        headrace.connect(lake.uri).snapshot("tar")[0]


def test_paths_in_a_table_are_adopted_relative_to_it(lake: Lake, tmp_path: Path) -> None:
    root = _photo_folder(tmp_path)
    (root / "index.jsonl").write_text(
        "".join(
            json.dumps({"id": name, "image": name, "label": name[:3]}) + "\n" for name in ("dog/a.jpg", "cat/b.jpg")
        )
    )
    for media in ("copy", "reference"):
        dataset = lake.create_dataset(media, type="IMAGE_CLASS", source=root / "index.jsonl", media=media)
        assert [row["image"] for row in _plain(dataset)] == [
            (root / name).read_bytes() for name in ("dog/a.jpg", "cat/b.jpg")
        ]


def test_source_is_read_once_even_when_the_columns_must_be_learned(lake: Lake) -> None:
    rows = ({"a": idx, **({"late": "x"} if idx > 2000 else {})} for idx in range(2500))
    dataset = lake.create_dataset("rows", type="TABLE", source=rows)
    assert dataset.schema.names == ["a", "late"]
    assert dataset.num_rows == 2500
    assert dataset.snapshot(where="late = 'x'").num_rows == 499
    reader = pa.table({"a": [1], "late": ["x"]}).to_reader()
    dataset.commit(reader)
    with pytest.raises(InvalidInput, match="without rows"):
        dataset.commit(reader)
