"""IMAGE_CLASS: layouts of folders and archives, index files, tables, and the archive that training gets."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.datasets.sources.opening import open_source
from headrace.datasets.types.image_class import ImageClass
from headrace.errors import InvalidInput
from headrace.testing import IngestResult, MemoryFiles, MemoryTable, MemoryViewReader, MemoryViewWriter, ingest_rows
from tests.generated_media import image_bytes

TYPE = ImageClass()
IMAGES = [image_bytes(shade=shade) for shade in range(6)]


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def read(source: object, **options: str) -> IngestResult:
    return ingest_rows(TYPE, open_source(source, csv_has_header=True), **options)  # type: ignore[arg-type]


def pairs(result: IngestResult) -> list[tuple[str, str]]:
    return list(zip(result.table.column("id").to_pylist(), result.table.column("label").to_pylist()))


def view(*tables: pa.Table) -> bytes:
    writer = MemoryViewWriter()
    TYPE.materialise(MemoryViewReader(tables, schema=TYPE.ingest_schema(None)), writer)
    assert list(writer.files) == ["examples.zip"]
    return writer.files["examples.zip"]


def rows(*samples: tuple[str, bytes, str]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"id": sample_id, "image": image, "label": label} for sample_id, image, label in samples],
        TYPE.ingest_schema(None),
    )


def test_folder_of_label_folders(tmp_path: Path) -> None:
    write(tmp_path, {"dog/b.png": image_bytes("PNG"), "cat/a.jpg": IMAGES[0], "cat/.DS_Store": b"x", "README.md": b"#"})
    result = read(tmp_path)
    assert pairs(result) == [("cat/a.jpg", "cat"), ("dog/b.png", "dog")]
    assert result.members == ["cat/a.jpg", "dog/b.png"]
    assert result.table.schema.names == ["id", "image", "label"]
    assert [header and header.format for header in result.headers["image"]] == ["jpeg", "png"]


def test_archive_of_label_folders(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dog/2.jpg", IMAGES[1])
        archive.writestr("cat/1.jpg", IMAGES[0])
    assert pairs(read(path)) == [("dog/2.jpg", "dog"), ("cat/1.jpg", "cat")]


def test_flat_folder_is_refused_with_both_layouts(tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": IMAGES[0], "b.jpg": IMAGES[1]})
    for on_invalid in ("raise", "skip"):
        with pytest.raises(InvalidInput, match=r"side by side.*<label>/<image>.*index\.csv") as caught:
            read(tmp_path, on_invalid=on_invalid)
        assert caught.value.file == str(tmp_path)


def test_nested_folder_is_refused_with_its_path(tmp_path: Path) -> None:
    write(tmp_path, {"photos/cat/a.jpg": IMAGES[0], "dog/b.jpg": IMAGES[1]})
    with pytest.raises(InvalidInput, match=r"photos/cat/a\.jpg: lies 2 folders deep"):
        read(tmp_path)
    result = read(tmp_path, on_invalid="skip")
    assert pairs(result) == [("dog/b.jpg", "dog")]
    assert [row.member for row in result.rejected] == ["photos/cat/a.jpg"]


def test_image_beside_label_folders_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"cat/a.jpg": IMAGES[0], "stray.jpg": IMAGES[1]})
    with pytest.raises(InvalidInput, match=r"stray\.jpg: has no label"):
        read(tmp_path)


def test_small_files_give_label_and_columns() -> None:
    files = {
        "1.jpg": IMAGES[0],
        "1.cls": b" 7\n",
        "1.json": json.dumps({"label": 7, "score": 1, "tags": [], "box": {"b": 1, "a": 2}}).encode(),
        "2.jpg": IMAGES[1],
        "2.json": json.dumps({"label": "cat", "score": 2.5, "tags": ["x"], "id": 12}).encode(),
        "dog/3.jpg": IMAGES[2],
        "dog/3.txt": "größe\r\n".encode(),
        "dog/4.jpg": IMAGES[3],
    }
    result = ingest_rows(TYPE, MemoryFiles(files))
    table = result.table.drop_columns(["image"])
    assert table.to_pylist() == [
        {"id": "1", "label": "7", "score": 1.0, "tags": [], "box": '{"a":2,"b":1}', "text": None},
        {"id": "12", "label": "cat", "score": 2.5, "tags": ["x"], "box": None, "text": None},
        {"id": "dog/3", "label": "dog", "score": None, "tags": None, "box": None, "text": "größe"},
        {"id": "dog/4.jpg", "label": "dog", "score": None, "tags": None, "box": None, "text": None},
    ]


def test_small_file_fields_have_one_type_over_all_batches() -> None:
    """The first thousand files say nothing of the field, a later one does."""
    files: dict[str, bytes] = {}
    for idx in range(1500):
        files[f"cat/{idx:04}.jpg"] = b""
        files[f"cat/{idx:04}.json"] = b'{"score": 2.5}' if idx == 1400 else b'{"score": 1}' if idx < 9 else b"{}"
    result = ingest_rows(TYPE, MemoryFiles(files), probe=False)
    assert result.batch_sizes == [1024, 476]
    assert result.table.schema.field("score").type == pa.float64()
    assert result.table.column("score").null_count == 1490


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.cls": b"1", "a.json": b'{"label": 2}'}, "make them agree"),
        ({"a.json": b"[1]"}, "holds no JSON object"),
        ({"a.json": b"{"}, "is not JSON"),
        ({"a.json": b'{"label": 1.5}'}, "expected text or an integer"),
        ({"a.json": b'{"label": ""}'}, "the label is empty"),
        ({"a.cls": b"  \n"}, "the label is empty"),
        ({"a.json": b'{"label": "x", "image": "b.jpg"}'}, "has the name of the media column"),
        ({"a.json": b'{"label": "x", "_id": 1}'}, "'_id'"),
        ({"a.cls": b"1", "b.jpg": IMAGES[1], "b.cls": b"1", "b.png": IMAGES[1]}, "shares its stem"),
        ({"a.cls": b"1", "c.cls": b"1"}, "belongs to no image file"),
        ({"a.cls": b"\xff\xfe"}, "not UTF-8"),
        ({"a.cls": b"1" * (17 << 20)}, "the limit beside a media file is 16,777,216"),
    ],
)
def test_bad_small_files_are_named(files: dict[str, bytes], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ingest_rows(TYPE, MemoryFiles({"a.jpg": IMAGES[0], **files}, name="memory:photos"))
    assert words in caught.value.message
    assert "memory:photos/" in caught.value.message


def test_field_of_two_types_names_both_files() -> None:
    files = {"c/a.jpg": b"", "c/a.json": b'{"x": 1}', "c/b.jpg": b"", "c/b.json": b'{"x": "1"}'}
    with pytest.raises(InvalidInput, match=r"field 'x' is string for c/b\.jpg but int64 for memory:files/c/a\.jpg"):
        ingest_rows(TYPE, MemoryFiles(files), probe=False)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("column", ["filename", "file_name", "path", "image"])
def test_index_file_names_images(tmp_path: Path, suffix: str, column: str) -> None:
    table = pa.table({column: ["b/2.jpg", "./1.jpg"], "label": ["dog", "cat"], "source": ["x", "y"]})
    write(tmp_path, {"1.jpg": IMAGES[0], "b/2.jpg": IMAGES[1]})
    target = tmp_path / f"labels.{suffix}"
    if suffix == "parquet":
        pq.write_table(table, target)
    elif suffix == "csv":
        target.write_text("\n".join(",".join(row) for row in [table.column_names, *zip(*table.to_pydict().values())]))
    else:
        target.write_text("\n".join(json.dumps(row) for row in table.to_pylist()))
    result = read(tmp_path)
    assert pairs(result) == [("b/2.jpg", "dog"), ("1.jpg", "cat")]
    assert result.table.column("source").to_pylist() == ["x", "y"]
    assert result.members == ["b/2.jpg", "1.jpg"]
    assert result.headers["image"][0] is not None


def test_index_ids_win_over_paths(tmp_path: Path) -> None:
    write(tmp_path, {"1.jpg": IMAGES[0], "index.csv": b"filename,label,id\n1.jpg,cat,sample-9\n"})
    assert pairs(read(tmp_path)) == [("sample-9", "cat")]


def test_index_that_names_a_missing_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"photo1.jpg": IMAGES[0], "index.csv": b"filename,label\nphoto1.jpg,cat\nphoto2.jpg,dog\n"})
    with pytest.raises(InvalidInput, match=r"index\.csv:3 .*'photo2\.jpg'.*Did you mean 'photo1\.jpg'") as caught:
        read(tmp_path)
    assert (caught.value.line, caught.value.column) == (3, "filename")
    result = read(tmp_path, on_invalid="skip")
    assert pairs(result) == [("photo1.jpg", "cat")]
    assert [(row.member, row.line) for row in result.rejected] == [("index.csv", 3)]


def test_index_that_leaves_out_images_is_refused(tmp_path: Path) -> None:
    extra = {f"more/{idx}.jpg": IMAGES[idx] for idx in range(6)}
    write(tmp_path, {"a.jpg": IMAGES[0], **extra, "index.csv": b"filename,label\na.jpg,cat\n"})
    with pytest.raises(InvalidInput, match=r"does not name 6 image file\(s\): more/0\.jpg, .* and 1 more"):
        read(tmp_path)
    result = read(tmp_path, on_invalid="skip")
    assert pairs(result) == [("a.jpg", "cat")]
    assert [row.member for row in result.rejected] == sorted(extra)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (b"name,label\na.jpg,cat\n", "there is no column filename"),
        (b"filename,class\na.jpg,cat\n", "there is no column label"),
        (b"filename,label\na.jpg,\n", "the label is empty"),
        (b"filename,label\n../a.jpg,cat\n", "no such file beside the index"),
        (b"filename,label,id\na.jpg,cat,\n", "the id is null or empty"),
    ],
)
def test_bad_index_is_refused(tmp_path: Path, index: bytes, words: str) -> None:
    write(tmp_path, {"a.jpg": IMAGES[0], "index.csv": index})
    with pytest.raises(InvalidInput, match=words) as caught:
        read(tmp_path)
    assert caught.value.file == str(tmp_path / "index.csv")


def test_two_possible_indexes_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": IMAGES[0], "one.csv": b"x\n1\n", "two.csv": b"x\n1\n"})
    with pytest.raises(InvalidInput, match=r"one\.csv, two\.csv"):
        read(tmp_path)


def test_table_ids_come_from_column_path_or_content(tmp_path: Path) -> None:
    write(tmp_path, {"img/a.jpg": IMAGES[0], "img/b.jpg": IMAGES[1]})
    path = tmp_path / "t.csv"
    path.write_text("image,label,age\nimg/a.jpg,cat,3\nimg/b.jpg,dog,4\n")
    result = read(path)
    assert pairs(result) == [("img/a.jpg", "cat"), ("img/b.jpg", "dog")]
    assert result.table.column("image").to_pylist() == IMAGES[:2]
    assert result.lines == [2, 3]
    by_content = ingest_rows(TYPE, MemoryTable(pa.table({"image": IMAGES[:2], "label": [0, 1]}))).table
    ids = by_content.column("id").to_pylist()
    assert len(set(ids)) == 2
    assert all(len(sample_id) == 32 and int(sample_id, 16) for sample_id in ids)
    hugging = pa.table(
        {"image": [{"bytes": IMAGES[0], "path": "x.jpg"}, {"bytes": IMAGES[1], "path": None}], "label": [0, 1]}
    )
    assert ingest_rows(TYPE, MemoryTable(hugging)).table.column("id").to_pylist() == ["x.jpg", ids[1]]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("../secret.jpg", "leads out of the folder"),
        ("/etc/passwd", "leads out of the folder"),
        ("file:///etc/passwd", "leads out of the folder"),
        ("img/../../secret.jpg", "leads out of the folder"),
        ("missing.jpg", "no such file"),
        ("img", "no regular file"),
        ("s4://bucket/a.jpg", "unknown scheme"),
        ("s3://bucket", "names a bucket"),
    ],
)
def test_table_paths_stay_in_the_folder_of_the_table(tmp_path: Path, cell: str, words: str) -> None:
    write(tmp_path, {"secret.jpg": IMAGES[0], "data/img/a.jpg": IMAGES[0]})
    path = tmp_path / "data" / "t.csv"
    path.write_text(f"image,label\nimg/a.jpg,cat\n{cell},cat\n")
    with pytest.raises(InvalidInput, match=words) as caught:
        read(path)
    assert (caught.value.line, caught.value.column) == (3, "image")
    assert len(read(path, on_invalid="skip").rejected) == 1


def test_rows_from_python_may_name_any_file(tmp_path: Path) -> None:
    write(tmp_path, {"a.jpg": IMAGES[0]})
    result = read(
        [{"image": str(tmp_path / "a.jpg"), "label": "cat"}, {"image": (tmp_path / "a.jpg").as_uri(), "label": "x"}]
    )
    assert result.table.column("image").to_pylist() == [IMAGES[0]] * 2


def test_media_of_a_table_is_read_from_a_store() -> None:
    from headrace.storage.opening import open_store

    open_store("memory://photos").put_new("in/a.jpg", IMAGES[0])
    result = read([{"image": "memory://photos/in/a.jpg", "label": "cat"}])
    assert pairs(result) == [("memory://photos/in/a.jpg", "cat")]
    assert result.table.column("image").to_pylist() == [IMAGES[0]]
    with pytest.raises(InvalidInput, match="does not exist"):
        read([{"image": "memory://photos/in/none.jpg", "label": "cat"}])


def test_view_is_the_books_layout() -> None:
    content = view(
        rows(("cat/a.jpg", IMAGES[0], "cat"), ("dog/a.jpg", IMAGES[1], "dog")),
        rows(("cat/a.jpg", IMAGES[2], "cat"), ("x/A.JPG", IMAGES[3], 'say "x"'), ("0af3", image_bytes("PNG"), "dog")),
    )
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-2:] == ["examples.csv", "labels.csv"]
        assert archive.read("labels.csv") == b'"1","cat"\n"2","dog"\n"3","say ""x"""\n'
        examples = list(csv.reader(io.StringIO(archive.read("examples.csv").decode())))
        assert examples == [["a.jpg", "1"], ["a-2.jpg", "2"], ["a-3.jpg", "1"], ["A-4.JPG", "3"], ["0af3.png", "2"]]
        for (name, _), image in zip(examples, [*IMAGES[:4], image_bytes("PNG")]):
            assert archive.read(f"examples/{name}") == image
        for member in archive.infolist():
            assert member.compress_type == zipfile.ZIP_STORED
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert member.create_system == 3


def test_view_bytes_never_change() -> None:
    """The archive is named by its bytes; another digest here means a new `version` of the type."""
    import hashlib

    content = view(rows(("cat/é.jpg", b"\xff\xd8\xff1", "cat"), ("dog/b", b"\x89PNG\r\n\x1a\n", "dog")))
    assert hashlib.sha256(content).hexdigest() == "359688f11664a6fadb3687813924d8658985cf162e440e1e8b8c6f6a75a2aecb"


def test_view_of_nothing_has_two_empty_lists() -> None:
    with zipfile.ZipFile(io.BytesIO(view())) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"examples.csv": b"", "labels.csv": b""}
