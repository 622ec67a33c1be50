"""Rows of a CSV with the wrong number of fields are left out like other bad rows, wherever the CSV lies."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

import headrace
from headrace.errors import InvalidInput
from tests.generated_media import image_bytes

_TEXT = 'id,name\n1,a\n2\n3,"c\nc"\n4,d,e\nx,f\n6,g\n'
_SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])


def _source(folder: Path, where: str) -> Path:
    (folder / "in").mkdir()
    (folder / "in" / "rows.csv").write_text(_TEXT)
    if where == "file":
        return folder / "in" / "rows.csv"
    if where == "folder":
        return folder / "in"
    with zipfile.ZipFile(folder / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "in" / "rows.csv", "rows.csv")
    return folder / "in.zip"


@pytest.mark.parametrize("where", ["file", "folder", "archive"])
def test_rows_of_the_wrong_width_are_left_out_with_line_and_reason(tmp_path: Path, where: str) -> None:
    source = _source(tmp_path, where)
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("rows", schema=_SCHEMA, source=source, on_invalid="skip")
    (commit,) = dataset.log()
    assert [row["id"] for row in dataset.snapshot().to_arrow().to_pylist()] == [1, 3, 6]
    assert commit.num_rejected == 3
    found = sorted((row.line, row.member, row.reason) for row in commit.rejected)
    member = None if where == "file" else "rows.csv"
    assert [(line, place) for line, place, _ in found] == [(3, member), (6, member), (7, member)]
    assert "1 field where the header has 2" in found[0][2]
    assert "3 fields where the header has 2" in found[1][2]
    assert {row.origin_uri for row in commit.rejected} == {commit.sources[0].uri}
    assert commit.statistics["num_rejected"] == 3
    with pytest.raises(InvalidInput, match=r"rows\.csv:3: 1 field where the header has 2"):
        dataset.commit(source)


def test_rows_of_the_wrong_width_in_an_undeclared_table_are_left_out(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("rows", type="TABLE", source=_source(tmp_path, "file"), on_invalid="skip")
    assert dataset.num_rows == 4
    assert [row.line for row in dataset.log()[0].rejected] == [3, 6]


def test_long_runs_of_rows_of_the_wrong_width_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,name\n" + "1\n" * 9000 + "".join(f"{idx},x\n" for idx in range(5000)) + "2\n" * 9000)
    lake = headrace.connect(tmp_path / "lake")
    for name, options in (("plain", {"type": "TABLE"}), ("typed", {"schema": _SCHEMA})):
        dataset = lake.create_dataset(name, source=path, on_invalid="skip", **options)
        assert (dataset.num_rows, dataset.log()[0].num_rejected) == (5000, 18_000)


def test_table_of_nothing_but_rows_of_the_wrong_width_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,name\n1\n2\n")
    lake = headrace.connect(tmp_path / "lake")
    with pytest.raises(InvalidInput, match=r"all 2 were left out as invalid, the first because .*1 field where"):
        lake.create_dataset("rows", type="TABLE", source=path, on_invalid="skip")


def test_index_rows_of_the_wrong_width_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(image_bytes("PNG"))
    (folder / "index.csv").write_text("filename,label\na.png,cat\nb.png,dog,x\nb.png,dog\nc\n")
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("pets", type="IMAGE_CLASS", source=folder, on_invalid="skip")
    assert dataset.num_rows == 2
    assert [(row.member, row.line) for row in dataset.log()[0].rejected] == [("index.csv", 3), ("index.csv", 5)]


def test_media_table_with_rows_of_the_wrong_width(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image_bytes("PNG"))
    (tmp_path / "table.csv").write_text("image,text\na.png,one\na.png\n")
    lake = headrace.connect(tmp_path / "lake")
    dataset = lake.create_dataset("captions", type="IMAGE_TEXT", source=tmp_path / "table.csv", on_invalid="skip")
    assert (dataset.num_rows, [row.line for row in dataset.log()[0].rejected]) == (1, [3])
