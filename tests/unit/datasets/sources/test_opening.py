"""What a value is taken for, and what is said when it is nothing that can be read."""

from __future__ import annotations

import io
import os
import tarfile
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import blake3
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headrace.datasets.batches import FileEntry, Origin, RowBatch
from headrace.datasets.sources.opening import open_source, read_table_entry
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.errors import InvalidInput, NotFound
from headrace.storage.memory import MemoryStore
from headrace.storage.store import ObjectStore


def table(value: object, *, has_header: bool = True, schema: pa.Schema | None = None) -> TableSource:
    source = open_source(value, csv_has_header=has_header, schema=schema)
    assert source.kind == "table"
    return source


def files(value: object) -> FileSource:
    source = open_source(value, csv_has_header=True)
    assert source.kind == "files"
    return source


def rows(value: object, *, schema: pa.Schema | None = None) -> list[dict[str, Any]]:
    return [row for batch in table(value, schema=schema).batches() for row in batch.table.to_pylist()]


def paths(source: FileSource) -> list[str]:
    return [entry.path for entry in source.files()]


def read_to_the_end(value: object) -> None:
    source = open_source(value, csv_has_header=True)
    for _ in source.batches() if source.kind == "table" else source.files():
        pass


def write_tar(path: Path, members: dict[str, bytes], *, mode: Literal["w", "w:gz"] = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


# Local paths


def test_path_text_and_file_uri_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a b ü.csv"
    path.write_text("a\n1\n")
    for value in (path, str(path), path.as_uri(), "file://localhost" + path.as_uri().removeprefix("file://")):
        assert rows(value) == [{"a": "1"}]


def test_missing_path_names_near_misses(tmp_path: Path) -> None:
    (tmp_path / "part1.csv").write_text("a\n1\n")
    with pytest.raises(NotFound, match=r"Did you mean .*part1\.csv"):
        table(tmp_path / "part.csv")
    with pytest.raises(NotFound, match=r"does not exist.*Did you mean") as caught:
        table(tmp_path.parent / (tmp_path.name + "x") / "part1.csv")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["a.xlsx", "a.jpg", "noextension", "a.parquet.gz"])
def test_unsupported_extension_lists_what_is_supported(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InvalidInput, match=r"\.csv, .*\.parquet.*\.zip, \.tar") as caught:
        table(tmp_path / name)
    assert caught.value.file == str(tmp_path / name)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet", "a.zip", "a.tar", "a.tar.gz"])
def test_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InvalidInput, match="empty file") as caught:
        read_to_the_end(tmp_path / name)
    assert caught.value.file == str(tmp_path / name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", "empty path"),
        ("a\0b", "NUL"),
        ("ftp://host/a.csv", "unknown scheme"),
        ("s3:/bucket/a.csv", "did you mean"),
        ("file://host/a.csv", "host"),
        (b"a.csv", "bytes is no source"),
        ({"a": [1]}, "dict is no source"),
        (5, "int is no source"),
        (None, "NoneType is no source"),
        ([], "empty list"),
        (iter(()), "expected at least one"),
        ([1, 2], "list of int"),
        ([None], "list of NoneType"),
        (["a.csv", 5], "entry 1"),
        ([{"a": 1}, 5], "row 1"),
        ([{}], "no columns"),
        ([{5: 1}], "no column name"),
    ],
)
def test_value_that_is_no_source_is_refused(value: object, expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected):
        rows(value)


def test_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(InvalidInput, match="not a regular file"):
        table(tmp_path / "a.csv")


# Lists and patterns


def test_list_of_tables_is_one_table_with_an_origin_each(tmp_path: Path) -> None:
    first, second = tmp_path / "b.csv", tmp_path / "a.csv"
    first.write_text("a,b\n1,2\n3,4\n")
    second.write_text("b,c\n5,6\n")
    source = table([first, str(second)])
    batches = list(source.batches())
    assert source.is_csv
    assert [(batch.origin_idx, batch.lines) for batch in batches] == [(0, [2, 3]), (1, [2])]
    assert [batch.table.schema.names for batch in batches] == [["a", "b", "c"]] * 2
    assert [row for batch in batches for row in batch.table.to_pylist()][1:] == [
        {"a": "3", "b": "4", "c": None},
        {"a": None, "b": "5", "c": "6"},
    ]
    assert [origin.uri for origin in source.origins] == [first.as_uri(), second.as_uri()]
    assert [origin.digest for origin in source.origins] == [
        blake3.blake3(path.read_bytes()).hexdigest() for path in (first, second)
    ]


def test_list_of_headerless_csv_keeps_further_fields(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,1\n")
    (tmp_path / "b.csv").write_text("y,1,2\n")
    source = table(str(tmp_path / "*.csv"), has_header=False)
    assert [batch.extra_fields for batch in source.batches()] == [[["1"]], [["1", "2"]]]
    (tmp_path / "c.jsonl").write_text('{"text": "x"}\n')
    with pytest.raises(InvalidInput, match="without header"):
        table(str(tmp_path / "*"), has_header=False)


def test_columns_of_two_tables_that_cannot_meet_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "b.parquet")
    pq.write_table(pa.table({"a": [0.5]}), tmp_path / "c.parquet")
    assert rows([tmp_path / "a.parquet", tmp_path / "c.parquet"]) == [{"a": 1.0}, {"a": 0.5}]
    with pytest.raises(InvalidInput, match="one type a column") as caught:
        rows([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    assert caught.value.file == str(tmp_path / "b.parquet")


def test_list_of_other_files_is_relative_to_the_common_folder(tmp_path: Path) -> None:
    for name in ("x/b/2.jpg", "x/a/1.jpg", "x/index.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    source = files([tmp_path / "x/b/2.jpg", tmp_path / "x/index.csv", str(tmp_path / "x/a/1.jpg")])
    assert paths(source) == ["a/1.jpg", "b/2.jpg", "index.csv"]
    assert source.origins == [Origin((tmp_path / "x").as_uri(), 29)]
    assert [entry.media.load().decode() for entry in source.files()] == ["x/a/1.jpg", "x/b/2.jpg", "x/index.csv"]
    assert paths(files([tmp_path / "x/a/1.jpg"])) == ["1.jpg"]
    assert paths(files(iter([tmp_path / "x/a/1.jpg"]))) == ["1.jpg"]


def test_list_with_a_file_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    with pytest.raises(InvalidInput, match="named twice"):
        files([tmp_path / "a.jpg", str(tmp_path) + "/./a.jpg"])


def test_list_with_a_missing_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    with pytest.raises(NotFound, match="Did you mean"):
        files([tmp_path / "a.jpg", tmp_path / "b.jpg"])


def test_list_of_archives_or_folders_is_joined(tmp_path: Path) -> None:
    first = write_tar(tmp_path / "b.tar", {"x.jpg": b"1"})
    second = write_zip(tmp_path / "a.zip", {"y.jpg": b"2"})
    source = files([first, second])
    found = list(source.files())
    assert [(entry.path, entry.origin_idx, entry.media.load()) for entry in found] == [
        ("x.jpg", 0, b"1"),
        ("y.jpg", 1, b"2"),
    ]
    assert [origin.digest for origin in source.origins] == [
        blake3.blake3(path.read_bytes()).hexdigest() for path in (first, second)
    ]
    write_zip(second, {"x.jpg": b"2"})
    with pytest.raises(InvalidInput, match="twice"):
        paths(files([first, second]))
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "z.jpg").write_bytes(b"3")
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "w.jpg").write_bytes(b"4")
    assert paths(files([tmp_path / "g", tmp_path / "f"])) == ["w.jpg", "z.jpg"]
    for other in (tmp_path / "f", tmp_path / "f" / "z.jpg"):
        with pytest.raises(InvalidInput, match="in a list with"):
            files([first, other])


def test_pattern_finds_files_in_order_and_leaves_out_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", ".c.jpg", "sub/d.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert paths(files(str(tmp_path / "*"))) == ["a.jpg", "b.jpg"]
    assert paths(files(tmp_path / "**" / "*.jpg")) == ["a.jpg", "b.jpg", "sub/d.jpg"]
    assert paths(files(tmp_path.as_uri() + "/*.jpg")) == ["a.jpg", "b.jpg"]
    assert paths(files(str(tmp_path / "s*"))) == ["d.jpg"]
    with pytest.raises(NotFound, match="no file matches"):
        files(str(tmp_path / "*.png"))


def test_name_with_pattern_characters_is_taken_literally_if_it_exists(tmp_path: Path) -> None:
    (tmp_path / "a[1].csv").write_text("a\n1\n")
    (tmp_path / "a1.csv").write_text("a\n2\n")
    assert rows(tmp_path / "a[1].csv") == [{"a": "1"}]


def test_pattern_with_a_link_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"x")
    (folder / "a.jpg").symlink_to("../secret.jpg")
    with pytest.raises(InvalidInput, match="leads out"):
        files(str(folder / "*.jpg"))


# Archives


def test_members_of_a_plain_tar_lie_in_place(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"b.jpg": b"123", "a.jpg": b"4567"})
    source = files(path)
    found = list(source.files())
    assert [entry.path for entry in found] == ["b.jpg", "a.jpg"]
    media = found[1].media
    assert (media.uri, media.path, media.size, media.data) == (path.as_uri(), str(path), 4, None)
    assert media.version == f"{path.stat().st_size}-{path.stat().st_mtime_ns}"
    assert path.read_bytes()[media.offset : media.offset + 4] == b"4567" == media.load()
    assert media.name == f"{path}!a.jpg"


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_members_of_other_archives_have_no_place(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    members = {"b.jpg": b"123", "index.csv": b"a\n1\n"}
    write_zip(path, members) if name == "a.zip" else write_tar(path, members, mode="w:gz")
    source = files(path)
    found = list(source.files())
    assert {entry.path: entry.media.load() for entry in found} == members
    assert all(entry.media.uri is None for entry in found)
    assert source.origins == [Origin(path.as_uri(), path.stat().st_size, blake3.blake3(path.read_bytes()).hexdigest())]
    (batch,) = read_table_entry(found[1]).batches()
    assert batch.table.to_pylist() == [{"a": "1"}]


def test_archive_without_files_is_refused(tmp_path: Path) -> None:
    for path in (write_zip(tmp_path / "a.zip", {".hidden": b"x"}), write_tar(tmp_path / "a.tar", {})):
        with pytest.raises(InvalidInput, match="empty archive"):
            paths(files(path))


# Values of the process


FRAME = {"id": [1, 2, 3], "label": ["a", None, "b"]}
FRAME_ROWS = [{"id": 1, "label": "a"}, {"id": 2, "label": None}, {"id": 3, "label": "b"}]


@pytest.mark.parametrize(
    ("value", "uri"),
    [
        (pa.table(FRAME), "memory:arrow"),
        (pa.RecordBatch.from_pydict(FRAME), "memory:arrow"),
        (pa.table(FRAME).to_reader(), "memory:arrow"),
        (pd.DataFrame(FRAME), "memory:pandas"),
        (pl.DataFrame(FRAME), "memory:polars"),
        (FRAME_ROWS, "memory:rows"),
        ((row for row in FRAME_ROWS), "memory:rows"),
    ],
    ids=["table", "batch", "reader", "pandas", "polars", "list", "generator"],
)
def test_values_of_the_process_are_tables(value: object, uri: str) -> None:
    source = table(value)
    assert not source.is_csv
    assert source.origins == [Origin(uri)]
    assert [row for batch in source.batches() for row in batch.table.to_pylist()] == FRAME_ROWS


def test_what_can_be_read_once_says_so() -> None:
    for value in (pa.table(FRAME).to_reader(), iter(FRAME_ROWS)):
        source = table(value)
        list(source.batches())
        with pytest.raises(InvalidInput, match="once only"):
            list(source.batches())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pa.table({"a": pa.array([], pa.int8())}), "without rows"),
        (pa.table([[1], [2]], names=["a", "a"]), "twice"),
        (pa.table([[1]], names=[""]), "without a name"),
        (pd.DataFrame({"a": []}), "without rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "twice"),
        (pd.DataFrame({"a": [1, "x", object()]}), "one type a column"),
        (pl.DataFrame(FRAME).lazy(), "collect"),
        (pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int8())]), []), "without rows"),
    ],
)
def test_frame_that_is_no_table_is_refused(value: object, expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected):
        rows(value)


def test_large_table_comes_in_batches_of_a_few_thousand() -> None:
    whole = pa.table({"a": list(range(20_000))})
    for value in (whole, whole.to_reader()):
        batches = list(table(value).batches())
        assert max(batch.table.num_rows for batch in batches) <= 4096
        assert pa.Table.from_batches([batch.table for batch in batches]).equals(whole)


def test_dicts_with_different_keys_are_filled_with_null() -> None:
    found = rows([{"a": 1}, {"b": b"x", "a": None}, {"c": Path("x/y.jpg")}])
    assert found == [
        {"a": 1, "b": None, "c": None},
        {"a": None, "b": b"x", "c": None},
        {"a": None, "b": None, "c": "x/y.jpg"},
    ]


def test_types_of_dicts_meet_over_batches() -> None:
    values = [{"a": idx} for idx in range(3000)] + [{"a": 0.5, "b": "x"}]
    batches = list(table(iter(values)).batches())
    assert len({str(batch.table.schema) for batch in batches}) == 1
    assert batches[-1].table.to_pylist()[-1] == {"a": 0.5, "b": "x"}


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ([{"a": 1}, {"a": "x"}], 1),
        ([{"a": 1}] * 700 + [{"a": object()}] + [{"a": 1}] * 700, 700),
        ([{"a": 2**70}], 0),
        ([{"a": "\ud800"}], 0),
    ],
)
def test_value_that_does_not_fit_names_row_and_column(values: list[dict[str, object]], row: int) -> None:
    with pytest.raises(InvalidInput, match=rf"row {row} \(counted from 0\).*column 'a'") as caught:
        rows(values)
    assert caught.value.column == "a"


def test_types_that_cannot_meet_over_batches_are_refused() -> None:
    with pytest.raises(InvalidInput, match="one type a column"):
        rows([{"a": 1}] * 2000 + [{"a": "x"}] * 2000)


def test_schema_types_dicts() -> None:
    (batch,) = table([{"a": 1, "b": 2}], schema=pa.schema([pa.field("a", pa.float32())])).batches()
    assert batch.table.schema.types == [pa.float32(), pa.int64()]


@dataclass
class OwnTable:
    """What a user may write."""

    kind: Literal["table"] = "table"
    origins: list[Origin] = field(default_factory=lambda: [Origin("memory:own")])
    num_rows: int | None = None
    num_bytes: int | None = None
    is_csv: bool = False

    def batches(self) -> Iterator[RowBatch]:
        yield RowBatch(pa.record_batch({"a": [1]}), 0)


@dataclass
class OwnFiles:
    kind: Literal["files"] = "files"
    origins: list[Origin] = field(default_factory=lambda: [Origin("memory:own")])
    num_files: int | None = None
    num_bytes: int | None = None

    def files(self) -> Iterator[FileEntry]:
        yield from ()


def test_own_sources_are_taken_as_they_are() -> None:
    for source in (OwnTable(), OwnFiles()):
        assert open_source(source, csv_has_header=True) is source


# Remote objects


class MemoryOpener:
    def __init__(self) -> None:
        self.root = f"memory://{uuid.uuid4().hex}"
        self.store: ObjectStore = MemoryStore(self.root)

    def open(self, uri: str) -> tuple[ObjectStore, str]:
        assert uri.startswith(self.root)
        return self.store, uri[len(self.root) :].strip("/")

    def put(self, **objects: bytes) -> None:
        for key, data in objects.items():
            self.store.put_new(key, data)


@pytest.fixture
def remote() -> MemoryOpener:
    return MemoryOpener()


def test_remote_tables_are_read(remote: MemoryOpener, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["1"]}), tmp_path / "a.parquet")
    remote.put(
        **{"x/a.csv": b"a\n1\n", "x/b.jsonl": b'{"a": "1"}', "x/c.parquet": (tmp_path / "a.parquet").read_bytes()}
    )
    for name in ("a.csv", "b.jsonl", "c.parquet"):
        uri = f"{remote.root}/x/{name}"
        source = open_source(uri, csv_has_header=True, opener=remote)
        assert source.kind == "table"
        (batch,) = source.batches()
        assert batch.table.to_pylist() == [{"a": "1"}]
        assert source.origins[0].uri == uri
        assert source.origins[0].digest == blake3.blake3(remote.store.get(f"x/{name}")).hexdigest()


def test_remote_prefix_is_a_folder(remote: MemoryOpener) -> None:
    remote.put(**{"x/b.jpg": b"1", "x/a/c.jpg": b"22", "x/.h": b"3", "xy.jpg": b"4"})
    for uri in (f"{remote.root}/x", f"{remote.root}/x/"):
        source = open_source(uri, csv_has_header=True, opener=remote)
        assert source.kind == "files"
        found = list(source.files())
        assert [(entry.path, entry.media.load()) for entry in found] == [("a/c.jpg", b"22"), ("b.jpg", b"1")]
        assert found[0].media.uri == f"{remote.root}/x/a/c.jpg"
        assert found[0].media.version
        assert (source.num_files, source.num_bytes) == (2, 3)
    whole = open_source(remote.root, csv_has_header=True, opener=remote)
    assert whole.kind == "files"
    assert paths(whole) == ["x/a/c.jpg", "x/b.jpg", "xy.jpg"]


def test_remote_patterns_and_lists_find_objects(remote: MemoryOpener) -> None:
    remote.put(**{"x/a1.jpg": b"1", "x/a2.jpg": b"2", "x/y/a3.jpg": b"3", "x/b.csv": b"a\n1\n", "x/c.csv": b"a\n2\n"})

    def found(value: object) -> list[str]:
        source = open_source(value, csv_has_header=True, opener=remote)
        assert source.kind == "files"
        return paths(source)

    assert found(f"{remote.root}/x/a?.jpg") == ["a1.jpg", "a2.jpg"]
    assert found(f"{remote.root}/x/**/*.jpg") == ["a1.jpg", "a2.jpg", "y/a3.jpg"]
    assert found(f"{remote.root}/x/a[!1].jpg") == ["a2.jpg"]
    assert found([f"{remote.root}/x/a1.jpg", f"{remote.root}/x/y/a3.jpg"]) == ["a1.jpg", "y/a3.jpg"]
    tables = open_source(f"{remote.root}/x/*.csv", csv_has_header=True, opener=remote)
    assert tables.kind == "table"
    assert [row for batch in tables.batches() for row in batch.table.to_pylist()] == [{"a": "1"}, {"a": "2"}]
    for missing in ("x/*.png", "nothing", "nothing.csv"):
        with pytest.raises(NotFound):
            open_source(f"{remote.root}/{missing}", csv_has_header=True, opener=remote)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_remote_archives_are_read(remote: MemoryOpener, tmp_path: Path, name: str) -> None:
    members = {"a.jpg": b"123", "large.bin": os.urandom(10_000_000)}
    path = tmp_path / name
    write_zip(path, members) if name == "a.zip" else write_tar(
        path, members, mode="w:gz" if name == "a.tar.gz" else "w"
    )
    remote.put(**{name: path.read_bytes()})
    source = open_source(f"{remote.root}/{name}", csv_has_header=True, opener=remote)
    assert source.kind == "files"
    found = list(source.files())
    assert {entry.path: entry.media.load() for entry in found} == members
    if name == "a.tar":
        for entry in found:
            media = entry.media
            assert media.uri == f"{remote.root}/a.tar"
            assert media.size is not None
            assert path.read_bytes()[media.offset : media.offset + media.size] == members[entry.path]


def test_default_opener_reads_memory_and_names_unknown_schemes() -> None:
    root = f"memory://{uuid.uuid4().hex}"
    MemoryStore(root).put_new("a.csv", b"a\n1\n")
    assert rows(f"{root}/a.csv") == [{"a": "1"}]
    assert rows([f"{root}/a.csv"]) == [{"a": "1"}]
