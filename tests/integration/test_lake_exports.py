"""Exports read back by the libraries that own the formats."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from webdataset.tariterators import group_by_keys, tar_file_expander

import headrace
from headrace.datasets.columns import media_field
from headrace.datasets.lake import Lake
from headrace.datasets.snapshot import Snapshot
from headrace.errors import AlreadyExists, DataCorrupted, InvalidInput
from tests.generated_media import image_bytes
from tests.scripted_store import ScriptedStore, fresh_memory_uri


@pytest.fixture
def lake(lake_uri: str) -> Lake:
    return headrace.connect(lake_uri)


def _photos(lake: Lake, num_rows: int = 12) -> Snapshot:
    dataset = lake.create_dataset("photos", type="IMAGE_CLASS")
    rows = [
        {
            "id": f"cat/ü {idx}.jpg",
            "image": image_bytes("PNG" if idx % 2 else "JPEG", shade=idx),
            "label": f"l{idx % 3}",
        }
        for idx in range(num_rows)
    ]
    dataset.commit(rows[: num_rows // 2])
    dataset.commit(rows[num_rows // 2 :])
    return dataset.snapshot()


def _samples(folder: Path) -> list[dict[str, Any]]:
    """What WebDataset makes of the shards, in order."""

    def opened(stack: ExitStack) -> Iterator[dict[str, Any]]:
        for path in sorted(folder.glob("*.tar")):
            yield {"url": str(path), "stream": stack.enter_context(path.open("rb"))}

    with ExitStack() as stack:
        return list(group_by_keys(tar_file_expander(opened(stack))))


@pytest.mark.parametrize("shard_bytes", [1, 4000, 1 << 27])
def test_webdataset_export_is_read_by_webdataset(lake: Lake, tmp_path: Path, shard_bytes: int) -> None:
    snapshot = _photos(lake)
    view = snapshot.export(str(tmp_path / "out"), format="webdataset", shard_bytes=shard_bytes)
    assert {file.name for file in view.files} == {path.name for path in (tmp_path / "out").iterdir()}
    expected = snapshot.to_arrow().to_pylist()
    found = _samples(tmp_path / "out")
    assert len(found) == len(expected)
    for sample, row in zip(found, expected, strict=True):
        described = json.loads(sample["json"])
        assert sample["jpg"] == row["image"]
        assert (described["id"], described["label"], described["_id"]) == (row["id"], row["label"], row["_id"])
        assert described["_digest"] == row["_digest"].hex()
        assert "image" not in described
    assert len(view.files) == (12 if shard_bytes == 1 else 1 if shard_bytes > 4000 else len(view.files))


def test_webdataset_export_of_several_media_columns_and_text(lake: Lake, tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            media_field("left eye", "image"),
            media_field("right", "image", nullable=True),
            pa.field("text", pa.string()),
        ]
    )
    rows = [
        {"id": "a", "left eye": image_bytes(shade=1), "right": None, "text": "größe"},
        {"id": "b", "left eye": image_bytes(shade=2), "right": image_bytes("PNG"), "text": None},
    ]
    snapshot = lake.create_dataset("pairs", schema=schema, key="id", source=rows).snapshot()
    snapshot.export(str(tmp_path / "out"), format="webdataset")
    first, second = _samples(tmp_path / "out")
    assert (first["left_eye.jpg"], first["txt"]) == (rows[0]["left eye"], "größe".encode())
    assert "right.jpg" not in first
    assert (second["left_eye.jpg"], second["right.png"]) == (rows[1]["left eye"], rows[1]["right"])
    assert "txt" not in second


def test_webdataset_export_writes_values_that_json_lacks_as_text(lake: Lake, tmp_path: Path) -> None:
    row = {
        "d": Decimal("1.50"), "day": date(2026, 1, 2), "t": datetime(2026, 1, 2, 3, 4, 5), "b": b"\x00\xff",
        "u": timedelta(seconds=5), "nan": float("nan"), "list": [1, None], "s": {"a": 1}, "big": 2**63 - 1,
    }  # fmt: skip
    snapshot = lake.create_dataset("rows", type="TABLE", source=pa.Table.from_pylist([row])).snapshot()
    snapshot.export(str(tmp_path / "out"), format="webdataset")
    (sample,) = _samples(tmp_path / "out")
    described = json.loads(sample["json"])
    assert {name: described[name] for name in row} == {
        "d": "1.50", "day": "2026-01-02", "t": "2026-01-02T03:04:05", "b": "AP8=", "u": "0:00:05", "nan": None,
        "list": [1, None], "s": {"a": 1}, "big": 2**63 - 1,
    }  # fmt: skip


@pytest.mark.parametrize("file_bytes", [1, 1 << 29])
def test_parquet_export_is_read_by_arrow(lake: Lake, tmp_path: Path, file_bytes: int) -> None:
    snapshot = _photos(lake, num_rows=600)
    view = snapshot.export(str(tmp_path / "out"), format="parquet", file_bytes=file_bytes)
    assert len(view.files) == (3 if file_bytes == 1 else 1)
    table = pq.read_table(tmp_path / "out")
    assert table.select(snapshot.to_arrow().column_names).equals(snapshot.to_arrow())
    assert [pq.read_metadata(tmp_path / "out" / file.name).num_rows for file in view.files][:1] != [0]


@pytest.mark.parametrize("format", ["parquet", "webdataset"])
def test_export_of_nothing_is_a_file_without_rows(lake: Lake, tmp_path: Path, format: str) -> None:
    snapshot = lake.create_dataset("photos", type="IMAGE_CLASS").snapshot()
    (file,) = snapshot.export(str(tmp_path / "out"), format=format).files
    if format == "parquet":
        assert pq.read_table(tmp_path / "out" / file.name).num_rows == 0
    else:
        with tarfile.open(tmp_path / "out" / file.name) as archive:
            assert archive.getnames() == []


@pytest.mark.parametrize("format", ["parquet", "webdataset"])
def test_same_snapshot_exports_the_same_bytes(lake: Lake, tmp_path: Path, format: str) -> None:
    snapshot = _photos(lake)
    for name in ("a", "b"):
        snapshot.export(str(tmp_path / name), format=format)
    contents = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("a", "b")]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("format", ["parquet", "webdataset"])
def test_export_refuses_options_that_it_does_not_know(lake: Lake, tmp_path: Path, format: str) -> None:
    with pytest.raises(InvalidInput, match=f"the {format} export has no option 'speed'"):
        _photos(lake).export(str(tmp_path / "out"), format=format, speed=9)
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


@pytest.mark.parametrize("size", [0, -1, 1.5, "1 MB", True, None])
def test_export_refuses_sizes_that_are_none(lake: Lake, tmp_path: Path, size: object) -> None:
    snapshot = _photos(lake)
    with pytest.raises(InvalidInput, match="expected a whole number of bytes from 1"):
        snapshot.export(str(tmp_path / "out"), format="parquet", file_bytes=size)
    with pytest.raises(InvalidInput, match="expected a whole number of bytes from 1"):
        snapshot.export(str(tmp_path / "out"), format="webdataset", shard_bytes=size)
    assert list(tmp_path.iterdir()) == []


def test_export_never_writes_over_files(lake: Lake, tmp_path: Path) -> None:
    snapshot = _photos(lake)
    snapshot.export(str(tmp_path / "out"), format="parquet")
    with pytest.raises(AlreadyExists, match="not empty"):
        snapshot.export(str(tmp_path / "out"), format="webdataset")


def test_export_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    store = ScriptedStore()
    snapshot = _photos(Lake(store))
    for key in [key for key in store.contents() if key.endswith(".tar")][1:]:
        store.flip_bit(key, 8 * 900)
    for format in ("webdataset", "parquet"):
        with pytest.raises(DataCorrupted):
            snapshot.export(str(tmp_path / "out"), format=format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file/below", "file"])
def test_export_to_a_place_that_can_be_no_folder_is_refused(lake: Lake, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises((InvalidInput, AlreadyExists)):
        _photos(lake).export(str(tmp_path / place), format="parquet")
    assert (tmp_path / "file").read_text() == "mine"


def test_export_goes_to_a_store_and_comes_back_as_a_source(lake: Lake) -> None:
    target = f"{fresh_memory_uri()}/export"
    snapshot = _photos(lake)
    snapshot.export(target, format="parquet")
    store = headrace.connect(target).store
    table = pq.read_table(pa.BufferReader(store.get("part-00000.parquet")), columns=["id", "image", "label"])
    again = lake.create_dataset("again", type="IMAGE_CLASS", source=table)
    assert again.snapshot().to_arrow(["id", "image", "label"]).equals(snapshot.to_arrow(["id", "image", "label"]))
