"""Input that is refused: a typed error that says where and what to do, and a lake that is as it was before."""

from __future__ import annotations

import base64
import gzip
import io
import json
import socket
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import headrace
from headrace.datasets.columns import media_field
from headrace.datasets.lake import Lake
from headrace.errors import AlreadyExists, HeadraceError, InvalidInput, NotFound, Unavailable
from tests.generated_media import image_bytes

_TABLE_SCHEMA = pa.schema(
    [pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string()), pa.field("score", pa.float64())]
)
_MEDIA_SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), media_field("image", "image", nullable=True)])
_JPEG = image_bytes("JPEG", width=32, height=32)


@dataclass(frozen=True)
class Bad:
    """One kind of bad input; `make` writes it into a folder and gives the source."""

    dataset: str  # what it is committed to: texts, photos, files, rows or media
    make: Callable[[Path], Any]
    message: str  # part of the message: what is wrong and what to do
    error: type[HeadraceError] = InvalidInput
    file: str | None = None  # end of `error.file`
    line: int | None = None
    column: str | int | None = None
    options: dict[str, Any] = field(default_factory=dict)


def _file(name: str, content: bytes | str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return make


def _folder(files: dict[str, bytes], *, source: str = "") -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        root = folder / "delivery"
        root.mkdir()
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return str(root / source) if source else str(root)

    return make


def _zip(members: list[tuple[str | zipfile.ZipInfo, bytes]], *, change: Callable[[bytes], bytes] = bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return change(buffer.getvalue())


def _duplicate_zip(name: str) -> bytes:
    """zipfile warns when a name is there twice, so the second one is renamed in the bytes."""
    other = "b" * len(name)
    return _zip([(name, b"1"), (other, b"2")]).replace(other.encode(), name.encode())


def _symlink_zip() -> bytes:
    info = zipfile.ZipInfo("cat/a.jpg")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return _zip([(info, b"/etc/passwd")])


def _encrypted(data: bytes) -> bytes:
    """Flag bit 0 in the local and the central header."""
    central = data.index(b"PK\x01\x02")
    changed = bytearray(data)
    changed[6] |= 1
    changed[central + 8] |= 1
    return bytes(changed)


def _lying_size(data: bytes) -> bytes:
    """The central directory announces one byte less than comes out."""
    central = data.index(b"PK\x01\x02")
    (size,) = struct.unpack_from("<I", data, central + 24)
    changed = bytearray(data)
    struct.pack_into("<I", changed, central + 24, size - 1)
    struct.pack_into("<I", changed, 22, size - 1)
    return bytes(changed)


def _tar(name: str, content: bytes, *, kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type = kind
        info.linkname = "/etc/passwd"
        info.size = len(content) if kind == tarfile.REGTYPE else 0
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _png_header(width: int, height: int) -> bytes:
    """A valid PNG start that announces a huge image."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = bytearray(image_bytes("PNG"))
    data[16 : 16 + len(header)] = header
    import zlib

    struct.pack_into(">I", data, 29, zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/part.csv"


def _outside_link(folder: Path) -> str:
    outside = folder / "other.jpg"
    outside.write_bytes(_JPEG)
    root = folder / "delivery"
    (root / "cat").mkdir(parents=True)
    (root / "cat" / "a.jpg").symlink_to(outside)
    return str(root)


def _endless(folder: Path) -> Iterator[dict[str, Any]]:
    yield {"id": 7, "name": "fine"}
    yield {"id": "seven", "name": "not fine"}


def _photos(**files: bytes) -> dict[str, bytes]:
    return {f"{name.replace('__', '/')}.jpg": content for name, content in files.items()}


_BAD: dict[str, Bad] = {
    # nothing there, or nothing in it
    "missing file": Bad("texts", lambda folder: str(folder / "nope.csv"), "no such file or folder", error=NotFound),
    "missing folder of a file": Bad("texts", lambda folder: str(folder / "a" / "b.csv"), "does not exist", NotFound),
    "glob without a match": Bad("texts", lambda folder: str(folder / "*.csv"), "no file matches", error=NotFound),
    "empty file": Bad("texts", _file("a.csv", ""), "empty file; expected rows", file="a.csv"),
    "empty folder": Bad("files", _folder({}), "empty folder; expected at least one file", file="delivery"),
    "empty list": Bad("texts", lambda folder: [], "an empty list; expected at least one path or dict"),
    "empty generator": Bad("rows", lambda folder: iter(()), "expected at least one path or dict"),
    "empty table": Bad("rows", lambda folder: _TABLE_SCHEMA.empty_table(), "without rows; expected at least one"),
    "header without rows": Bad("rows", _file("a.csv", "id,name\n"), "a header and no rows", file="a.csv"),
    "empty zip": Bad("files", _file("a.zip", _zip([])), "empty archive; expected at least one file", file="a.zip"),
    # text
    "one column": Bad("texts", _file("a.csv", "good,label\nbad\n"), "one column only; expected an utterance and", file="a.csv", line=2),
    "NUL": Bad("texts", _file("a.csv", b"good,label\nb\0d,label\n"), "NUL", file="a.csv", line=2),
    "invalid UTF-8": Bad("texts", _file("a.csv", b"good,label\nb\xffd,label\n"), "UTF-8", file="a.csv", line=2, column=2),
    "UTF-16": Bad("texts", _file("a.csv", "good,label\n".encode("utf-16")), "UTF-8", file="a.csv", line=1),
    "huge quoted field": Bad("texts", _file("a.csv", '"' + "x" * (17 << 20) + '",label\n'), "16", file="a.csv", line=1),
    "unterminated quote": Bad("texts", _file("a.csv", 'a,b\n"c,d\ne,f\n'), "quote", file="a.csv", line=2),
    "text behind a quote": Bad("texts", _file("a.csv", 'a,b\n"c"d,e\n'), "quote", file="a.csv", line=2),
    "too many fields": Bad("rows", _file("a.csv", "id,name,score\n7,a,1.5\n8,b,2.5,x\n"), "4 fields", file="a.csv", line=3),
    "column name twice": Bad("rows", _file("a.csv", "id,name,name\n7,a,b\n"), "twice; expected unique names", file="a.csv", line=1),
    "broken JSON": Bad("rows", _file("a.json", '[{"id": 7}, {"id": '), "JSON", file="a.json"),
    "broken JSON line": Bad("rows", _file("a.jsonl", '{"id": 7}\n{"id": \n'), "JSON", file="a.jsonl", line=2),
    "JSON line that is no object": Bad("rows", _file("a.jsonl", '{"id": 7}\n[8]\n'), "object", file="a.jsonl", line=2),
    "truncated Parquet": Bad("rows", _file("a.parquet", _parquet(pa.table({"id": [7]}))[:-9]), "Parquet", file="a.parquet"),
    "no Parquet": Bad("rows", _file("a.parquet", b"PAR1" + bytes(80) + b"PAR1"), "Parquet", file="a.parquet"),
    "truncated gzip": Bad("texts", _file("a.csv.gz", gzip.compress(b"good,label\n" * 9)[:-12]), "cut off", file="a.csv.gz"),
    "gzip bomb": Bad("texts", _file("a.csv.gz", gzip.compress(b"good,label\n" * 480_000)), "decompression bomb", file="a.csv.gz"),
    # archives
    "zip slip": Bad("files", _file("a.zip", _zip([("../up.bin", b"x")])), "climbs out of the archive", file="a.zip"),
    "zip slip inside": Bad("files", _file("a.zip", _zip([("a/../../up", b"x")])), "climbs out of the archive", file="a.zip"),
    "absolute member": Bad("files", _file("a.zip", _zip([("/etc/cron.d/x", b"x")])), "absolute path", file="a.zip"),
    "backslash member": Bad("files", _file("a.zip", _zip([("..\\up.bin", b"x")])), "backslash", file="a.zip"),
    "drive member": Bad("files", _file("a.zip", _zip([("C:/up.bin", b"x")])), "drive letter", file="a.zip"),
    "tar slip": Bad("files", _file("a.tar", _tar("../up.bin", b"x")), "climbs out of the archive", file="a.tar"),
    "symlink in a zip": Bad("photos", _file("a.zip", _symlink_zip()), "link", file="a.zip"),
    "symlink in a tar": Bad("photos", _file("a.tar", _tar("cat/a.jpg", b"", kind=tarfile.SYMTYPE)), "link", file="a.tar"),
    "hard link in a tar": Bad("photos", _file("a.tar", _tar("cat/a.jpg", b"", kind=tarfile.LNKTYPE)), "link", file="a.tar"),
    "device in a tar": Bad("photos", _file("a.tar", _tar("cat/a.jpg", b"", kind=tarfile.CHRTYPE)), "device", file="a.tar"),
    "duplicate member": Bad("files", _file("a.zip", _duplicate_zip("one.bin")), "occurs twice", file="a.zip"),
    "zip bomb": Bad("files", _file("a.zip", _zip([("zeros", bytes(8 << 20))])), "decompression bomb", file="a.zip"),
    "lying size": Bad("files", _file("a.zip", _zip([("a", b"x" * 99)], change=_lying_size)), "member 'a'"),
    "encrypted zip": Bad("files", _file("a.zip", _zip([("a", b"x" * 99)], change=_encrypted)), "encrypted", file="a.zip"),
    "truncated zip": Bad("files", _file("a.zip", _zip([("a", b"x" * 99)])[:-30]), "zip", file="a.zip"),
    "truncated tar": Bad("files", _file("a.tar", _tar("a", bytes(5000))[:2000]), "cut off", file="a.tar"),
    "no zip": Bad("files", _file("a.zip", b"not a zip at all" * 9), "zip", file="a.zip"),
    # images
    "undecodable image": Bad("photos", _folder({"cat/a.jpg": b"GIF? no, text"}), "image", file="cat/a.jpg"),
    "empty image": Bad("photos", _folder({"cat/a.jpg": b""}), "empty", file="cat/a.jpg"),
    "truncated JPEG": Bad("photos", _folder({"cat/a.jpg": _JPEG[:120]}), "", file="cat/a.jpg"),
    "truncated PNG": Bad("photos", _folder({"cat/a.png": image_bytes("PNG")[:20]}), "", file="cat/a.png"),
    "billion pixels": Bad("photos", _folder({"cat/a.png": _png_header(1 << 17, 1 << 17)}), "pixels", file="cat/a.png"),
    "flat folder of photos": Bad("photos", _folder({"a.jpg": _JPEG, "b.jpg": _JPEG}), "<label>/<image>, one folder a label, or an index", file="delivery"),
    "nested folders of photos": Bad("photos", _folder({"x/cat/a.jpg": _JPEG}), "2 folders deep; expected <label>/<image>", file="x/cat/a.jpg"),
    "file that is no photo": Bad("photos", _folder({"cat/a.jpg": _JPEG, "cat/a.exe": b"MZ"}), "no image file by its name", file="cat/a.exe"),
    "index that names a missing photo": Bad("photos", _folder({"index.csv": b"filename,label\nb.jpg,cat\n", "a.jpg": _JPEG}), "b.jpg"),
    "index that leads out": Bad("photos", _folder({"index.csv": b"filename,label\n../a.jpg,cat\n", "a.jpg": _JPEG}), "../a.jpg"),
    "link that leads out": Bad("photos", _outside_link, "leads out of the folder", file="delivery"),
    "empty label": Bad("photos", lambda folder: [{"id": "a", "image": _JPEG, "label": ""}], "label is empty", column="label"),
    # schema
    "wrong type in a CSV": Bad("rows", _file("a.csv", "id,name\n7,a\nseven,b\n"), "int64", file="a.csv", line=3, column="id"),
    "wrong type in dicts": Bad("rows", _endless, "row 1 (counted from 0): column 'id' holds 'seven'", column="id"),
    "wrong type in a table": Bad("rows", lambda folder: pa.table({"id": ["x"]}), "is no int64", column="id"),
    "fraction for a whole number": Bad("rows", lambda folder: pa.table({"id": [7.5]}), "is no int64", column="id"),
    "number that overflows": Bad("rows", lambda folder: pa.table({"id": pa.array([2**64 - 1], pa.uint64())}), "is no int64", column="id"),
    "missing column": Bad("rows", lambda folder: pa.table({"name": ["x"]}), "there is no column id; expected the declared columns id, name, score"),
    "unknown column": Bad("rows", lambda folder: pa.table({"id": [7], "nmae": ["x"]}), "Did you mean 'name'?", column="nmae"),
    "null key": Bad("rows", lambda folder: pa.table({"id": pa.array([7, None], pa.int64())}), "the key is null", column="id"),
    "duplicate key": Bad("rows", lambda folder: pa.table({"id": [7, 8, 7]}), "the key '7' appears twice in this commit, first at memory:"),
    "duplicate key in a file": Bad("rows", _file("a.csv", "id,name\n7,a\n8,b\n7,c\n"), "the key '7' appears twice", file="in/a.csv", line=4),
    "duplicate id of a photo": Bad("photos", lambda folder: [{"id": "a", "image": _JPEG, "label": "x"}] * 2, "the key 'a' appears twice"),
    "reserved column": Bad("texts", lambda folder: pa.table({"text": ["a"], "labels": [["b"]], "_id": ["c"]}), "'_id'"),
    "further column in GENERIC": Bad("files", lambda folder: [{"name": "a", "data": b"b", "note": "c"}], "use type TABLE", column="note"),
    "null text": Bad("texts", lambda folder: pa.table({"text": ["a", None], "labels": [["b"], ["c"]]}), "the text is null", line=2, column="text"),
    "column type of an earlier commit": Bad("texts", lambda folder: pa.table({"text": ["a"], "labels": [["b"]], "note": [5]}), "is int64 here but string in earlier commits", column="note"),
    "column that differs in case": Bad("texts", lambda folder: pa.table({"text": ["a"], "labels": [["b"]], "NOTE": ["n"]}), "names are compared without case", column="NOTE"),
    "files for a table": Bad("rows", _folder({"a.jpg": _JPEG}), "table"),
    # media by path
    "media path that leads out": Bad("media", _file("a.csv", "id,image\na,../../etc/hostname\n"), "leads out of the folder of its table", file="a.csv", line=2, column="image"),
    "absolute media path": Bad("media", _file("a.csv", "id,image\na,/etc/hostname\n"), "leads out of the folder of its table", file="a.csv", line=2, column="image"),
    "file URI as media path": Bad("media", _file("a.csv", "id,image\na,file:///etc/hostname\n"), "leads out of the folder", file="a.csv", line=2, column="image"),
    "media path to nothing": Bad("media", _file("a.jsonl", json.dumps({"id": "a", "image": "nope.jpg"})), "no such file", file="a.jsonl", line=1, column="image"),
    "media that is no image": Bad("media", lambda folder: [{"id": "a", "image": b"text"}], "image"),
    # places
    "unsupported extension": Bad("texts", _file("a.xlsx", b"PK\x03\x04"), "extension '.xlsx' is not supported; expected .csv", file="a.xlsx"),
    "unknown scheme": Bad("texts", lambda folder: "s4://bucket/a.csv", 'did you mean "s3"'),
    "scheme with one slash": Bad("texts", lambda folder: "s3:/bucket/a.csv", 'did you mean "s3://bucket/a.csv"'),
    "credentials in a URI": Bad("texts", lambda folder: "s3://key:secret@bucket/a.csv", "put them into the environment"),
    "host that does not answer": Bad("texts", lambda folder: _closed_port(), "", error=Unavailable),
    "NUL in a path": Bad("texts", lambda folder: "a\0.csv", "NUL"),
    "number as a source": Bad("texts", lambda folder: 5, "a int is no source; expected a path, URI"),
    "bytes as a source": Bad("texts", lambda folder: b"a,b\n", "a bytes is no source; expected a path, URI"),
    "paths and dicts": Bad("texts", lambda folder: ["a.csv", {"text": "a"}], "among paths; expected paths only"),
    # how
    "reference to compressed members": Bad("photos", _file("a.zip", _zip([("cat/a.jpg", _JPEG)])), "Commit with media='copy'", options={"media": "reference"}),
    "reference to bytes in memory": Bad("photos", lambda folder: [{"id": "a", "image": _JPEG, "label": "x"}], "Commit with media='copy'", options={"media": "reference"}),
    "unknown media mode": Bad("texts", _file("a.csv", "a,b\n"), "expected 'copy' or 'reference'", options={"media": "move"}),
    "unknown failure policy": Bad("texts", _file("a.csv", "a,b\n"), "expected 'raise' or 'skip'", options={"on_invalid": "ignore"}),
    "unknown option": Bad("texts", _file("a.csv", "a,b\n"), "commit() has no option 'speed'", options={"speed": 9}),
    "tag without key": Bad("texts", _file("a.csv", "a,b\n"), "tag key '' is empty", options={"tags": {"": "x"}}),
    "tag that is no text": Bad("texts", _file("a.csv", "a,b\n"), "expected text", options={"tags": {"a": 5}}),
    "tag with a line end": Bad("texts", _file("a.csv", "a,b\n"), "control characters", options={"tags": {"a": "b\n"}}),
    "message that is too long": Bad("texts", _file("a.csv", "a,b\n"), "limit is 10,000", options={"message": "x" * 10_001}),
    "message that is no text": Bad("texts", _file("a.csv", "a,b\n"), "message is a int", options={"message": 5}),
    "nothing but invalid rows": Bad("texts", _file("a.csv", "one\ntwo\n"), "no rows left to commit: all 2", options={"on_invalid": "skip"}),
}  # fmt: skip


_CREATE: dict[str, dict[str, Any]] = {
    "texts": {"type": "TEXT_INTENT"},
    "photos": {"type": "IMAGE_CLASS"},
    "files": {"type": "GENERIC"},
    "rows": {"schema": _TABLE_SCHEMA, "key": "id"},
    "media": {"schema": _MEDIA_SCHEMA, "key": "id"},
}
_GOOD: dict[str, list[dict[str, Any]]] = {
    "texts": [{"text": "how is the weather", "labels": ["weather"], "note": "n"}],
    "photos": [{"id": "good.jpg", "image": _JPEG, "label": "cat"}],
    "files": [{"name": "good.bin", "data": b"good"}],
    "rows": [{"id": 1, "name": "good", "score": 0.5}],
    "media": [{"id": "good", "image": _JPEG}],
}


def _contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _lake_with(name: str, folder: Path) -> Lake:
    lake = headrace.connect(folder / "lake")
    lake.create_dataset(name, source=_GOOD[name], **_CREATE[name])
    lake.snapshot(name).alias("prod")
    return lake


def _check_unchanged(root: Path, before: dict[str, bytes], *, is_create: bool = False) -> None:
    """Objects that nothing refers to may have been added, everything else is byte for byte what it was."""
    after = _contents(root)
    assert {key: after.get(key) for key in before} == before
    added = set(after) - set(before)
    assert not {key for key in added if "/objects/" not in key or is_create}, "a failed create leaves nothing behind"


@pytest.mark.parametrize("kind", _BAD)
def test_bad_source_is_refused_and_changes_nothing(kind: str, tmp_path: Path) -> None:
    bad = _BAD[kind]
    lake = _lake_with(bad.dataset, tmp_path)
    root = tmp_path / "lake"
    before = _contents(root)
    source_folder = tmp_path / "in"
    source_folder.mkdir()
    source = bad.make(source_folder)
    with pytest.raises(bad.error) as caught:
        lake.dataset(bad.dataset).commit(source, **bad.options)
    error = caught.value
    assert type(error) is bad.error
    assert bad.message in str(error)
    if bad.file is not None:
        assert isinstance(error, InvalidInput)
        assert (error.file or "").startswith(str(source_folder))
        assert (error.file or "").endswith(bad.file)
    if bad.line is not None:
        assert isinstance(error, InvalidInput)
        assert error.line == bad.line
    if bad.column is not None:
        assert isinstance(error, InvalidInput)
        assert error.column == bad.column
    assert "secret" not in str(error)
    _check_unchanged(root, before)
    assert lake.verify().ok

    # The same on a create: no dataset, no id used, nothing left.
    if "earlier" not in kind and "differs in case" not in kind:
        before = _contents(root)
        with pytest.raises(bad.error):
            lake.create_dataset(
                "second", source=bad.make(_emptied(source_folder)), **_CREATE[bad.dataset], **bad.options
            )
        _check_unchanged(root, before, is_create=True)
    reopened = headrace.connect(root)
    assert [dataset.name for dataset in reopened.datasets()] == [bad.dataset]
    if kind != "duplicate id of a photo":
        good = reopened.dataset(bad.dataset).commit(_GOOD[bad.dataset])
        assert good.id == "2"
    assert reopened.create_dataset("second", source=_GOOD[bad.dataset], **_CREATE[bad.dataset]).id == "2"
    assert reopened.verify().ok


def _emptied(folder: Path) -> Path:
    """Another folder, for a source that is written a second time."""
    again = folder.parent / "again"
    again.mkdir()
    return again


def test_there_are_many_kinds() -> None:
    assert len(_BAD) >= 90


def test_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    plain = headrace.connect(tmp_path / "a").create_dataset(
        "t", type="TEXT_INTENT", source=_file("a.csv", "é,b\n")(tmp_path)
    )
    marked = headrace.connect(tmp_path / "b").create_dataset(
        "t", type="TEXT_INTENT", source=_file("b.csv", b"\xef\xbb\xbf" + "é,b\n".encode())(tmp_path)
    )
    assert plain.log()[0].digest == marked.log()[0].digest


_BAD_CREATES: dict[str, tuple[dict[str, Any], type[HeadraceError], str]] = {
    "empty name": ({"name": "", "type": "TEXT_INTENT"}, InvalidInput, "expected a letter or '_' first"),
    "name like an id": ({"name": "12", "type": "TEXT_INTENT"}, InvalidInput, "expected a letter or '_' first"),
    "name with a slash": ({"name": "a/b", "type": "TEXT_INTENT"}, InvalidInput, "expected a letter or '_' first"),
    "name that is too long": ({"name": "a" * 101, "type": "TEXT_INTENT"}, InvalidInput, "up to 99"),
    "name that is taken": ({"name": "texts", "type": "TEXT_INTENT"}, AlreadyExists, "to add to it: headrace commit"),
    "unknown type": ({"name": "x", "type": "TEXT_INTENTS"}, InvalidInput, "Did you mean 'TEXT_INTENT'?"),
    "no type": ({"name": "x"}, InvalidInput, "needs a type"),
    "schema for a fixed type": ({"name": "x", "type": "GENERIC", "schema": _TABLE_SCHEMA}, InvalidInput, "use type TABLE"),
    "key for a fixed type": ({"name": "x", "type": "GENERIC", "key": "data"}, InvalidInput, "only a TABLE takes key="),
    "key that is no column": ({"name": "x", "schema": _TABLE_SCHEMA, "key": "nmae"}, InvalidInput, "Did you mean 'name'?"),
    "key that is a float": ({"name": "x", "schema": _TABLE_SCHEMA, "key": "score"}, InvalidInput, "use text, whole numbers"),
    "key that is media": ({"name": "x", "schema": _MEDIA_SCHEMA, "key": "image"}, InvalidInput, "use text, whole numbers"),
    "replace without a key": ({"name": "x", "schema": _TABLE_SCHEMA, "on_duplicate_key": "replace"}, InvalidInput, "declare one with key=COLUMN"),
    "unknown rule for keys": ({"name": "x", "schema": _TABLE_SCHEMA, "key": "id", "on_duplicate_key": "first"}, InvalidInput, "'keep' or 'replace'"),
    "reserved column": ({"name": "x", "schema": pa.schema([("_commit", pa.int64())])}, InvalidInput, "rename the column"),
    "no columns": ({"name": "x", "schema": pa.schema([])}, InvalidInput, "at least one"),
    "unknown Arrow type": ({"name": "x", "schema": pa.schema([("a", pa.month_day_nano_interval())])}, InvalidInput, "cast it first"),
    "owner that is no text": ({"name": "x", "type": "GENERIC", "owner": 5}, InvalidInput, "owner is a int"),
    "bad tag": ({"name": "x", "type": "GENERIC", "tags": {"a": "\n"}}, InvalidInput, "control characters"),
}  # fmt: skip


@pytest.mark.parametrize("kind", _BAD_CREATES)
def test_bad_create_is_refused_and_changes_nothing(kind: str, tmp_path: Path) -> None:
    arguments, error, message = _BAD_CREATES[kind]
    lake = _lake_with("texts", tmp_path)
    before = _contents(tmp_path / "lake")
    with pytest.raises(error) as caught:
        lake.create_dataset(**arguments)
    assert type(caught.value) is error
    assert message in str(caught.value)
    _check_unchanged(tmp_path / "lake", before, is_create=True)
    assert lake.create_dataset("fine", type="GENERIC").id == "2"


_BAD_CALLS: dict[str, tuple[Callable[[Lake], object], type[HeadraceError], str]] = {
    "dataset that is not there": (lambda lake: lake.dataset("text"), NotFound, "Did you mean 'texts'?"),
    "commit to a missing dataset": (lambda lake: lake.commit("nope", []), NotFound, "To create it: headrace dataset create"),
    "reference of another form": (lambda lake: lake.snapshot("texts@"), InvalidInput, "expected LAKE::DATASET"),
    "reference to another lake": (lambda lake: lake.snapshot("/other::texts"), InvalidInput, "Leave out the part before '::'"),
    "alias that is not there": (lambda lake: lake.snapshot("texts@prd"), NotFound, "Did you mean 'prod'?"),
    "id that is not there": (lambda lake: lake.snapshot("texts@id:00000000"), NotFound, "no snapshot"),
    "bad alias": (lambda lake: lake.snapshot("texts").alias("a b"), InvalidInput, "cannot be an alias"),
    "unknown commit": (lambda lake: lake.dataset("texts").snapshot(upto="9"), NotFound, "there is no commit '9'"),
    "commit id of another form": (lambda lake: lake.dataset("texts").snapshot(upto="01"), NotFound, "there is no commit '01'"),
    "where that is no expression": (lambda lake: lake.dataset("texts").snapshot(where="text ="), InvalidInput, "where"),
    "where with a second statement": (lambda lake: lake.dataset("texts").snapshot(where="true; DROP TABLE x"), InvalidInput, "where"),
    "where that reads a file": (lambda lake: lake.dataset("texts").snapshot(where="text IN (SELECT content FROM read_text('/etc/passwd'))"), InvalidInput, "where"),
    "where over an unknown column": (lambda lake: lake.dataset("texts").snapshot(where="txt = 'a'"), InvalidInput, "text"),
    "where that is no condition": (lambda lake: lake.dataset("texts").snapshot(where="len(text)"), InvalidInput, "where"),
    "unknown column": (lambda lake: lake.dataset("texts").snapshot(columns=["txt"]), InvalidInput, "Did you mean 'text'?"),
    "no columns": (lambda lake: lake.dataset("texts").snapshot(columns=[]), InvalidInput, "at least one column"),
    "column twice": (lambda lake: lake.dataset("texts").snapshot(columns=["text", "text"]), InvalidInput, "each once"),
    "bad tag": (lambda lake: lake.dataset("texts").snapshot(tags={"a": 1}), InvalidInput, "expected text"),
    "shares that do not add up": (lambda lake: lake.snapshot("texts").split({"a": 0.5, "b": 0.4}), InvalidInput, "must add up to 1"),
    "split by an unknown column": (lambda lake: lake.snapshot("texts").split({"a": 0.5, "b": 0.5}, group="lable"), InvalidInput, "labels"),
    "batches of nothing": (lambda lake: list(lake.snapshot("texts").scan(0)), InvalidInput, "from 1"),
    "query with two statements": (lambda lake: lake.snapshot("texts").query("select 1; select 2"), InvalidInput, ""),
    "unknown export format": (lambda lake: lake.snapshot("texts").export("/nowhere/x", format="parqet"), InvalidInput, "Did you mean 'parquet'?"),
    "lineage of an unknown sample": (lambda lake: lake.lineage("nope"), NotFound, "headrace sample"),
    "run without a name": (lambda lake: lake.record_run(lake.snapshot("texts"), name=None), InvalidInput, "name of the run"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("kind", _BAD_CALLS)
def test_bad_call_is_refused_and_changes_nothing(kind: str, tmp_path: Path) -> None:
    call, error, message = _BAD_CALLS[kind]
    lake = _lake_with("texts", tmp_path)
    before = _contents(tmp_path / "lake")
    with pytest.raises(error) as caught:
        call(lake)
    assert type(caught.value) is error
    assert message in str(caught.value)
    _check_unchanged(tmp_path / "lake", before, is_create=True)


@pytest.mark.parametrize("row_idx", [0.5, "1", True, None])
def test_row_number_that_is_none_is_refused(row_idx: object, tmp_path: Path) -> None:
    snapshot = _lake_with("texts", tmp_path).snapshot("texts")
    with pytest.raises(TypeError, match="whole numbers|row numbers"):
        snapshot.take([row_idx])  # type: ignore[list-item]


@pytest.mark.parametrize("row_idx", [1, -2, 10**12])
def test_row_number_outside_is_refused(row_idx: int, tmp_path: Path) -> None:
    snapshot = _lake_with("texts", tmp_path).snapshot("texts")
    with pytest.raises(IndexError, match=f"row {row_idx} of a snapshot with 1 rows"):
        snapshot.take([0, row_idx])
    with pytest.raises(IndexError):
        snapshot[row_idx]


def test_lake_that_is_not_there_creates_nothing_when_asked(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "nope")
    assert lake.datasets() == []
    for call in (lake.verify, lake.audit, lambda: lake.dataset("x"), lambda: lake.commit("x", [])):
        with pytest.raises(NotFound, match="there is no lake at .*headrace dataset create"):
            call()
    assert not (tmp_path / "nope").exists()


def test_first_create_that_fails_leaves_no_lake(tmp_path: Path) -> None:
    lake = headrace.connect(tmp_path / "lake")
    with pytest.raises(NotFound):
        lake.create_dataset("texts", type="TEXT_INTENT", source=str(tmp_path / "nope.csv"))
    assert not lake.exists
    assert _contents(tmp_path / "lake") == {}
    assert lake.create_dataset("texts", type="TEXT_INTENT").id == "1"


def test_source_that_breaks_half_way_leaves_nothing(tmp_path: Path) -> None:
    lake = _lake_with("rows", tmp_path)
    before = _contents(tmp_path / "lake")

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(3000):
            yield {"id": number + 10}
        raise RuntimeError("the collector's own failure")

    with pytest.raises(RuntimeError, match="own failure"):
        lake.commit("rows", rows())
    _check_unchanged(tmp_path / "lake", before)
    with pytest.raises(RuntimeError, match="own failure"):
        lake.create_dataset("second", source=rows(), **_CREATE["rows"])
    _check_unchanged(tmp_path / "lake", before, is_create=True)
    assert lake.create_dataset("second", **_CREATE["rows"]).id == "2"


def test_inline_media_in_text_is_not_taken_for_a_path(tmp_path: Path) -> None:
    lake = _lake_with("media", tmp_path)
    text = base64.b64encode(_JPEG).decode()
    with pytest.raises(InvalidInput, match="image"):
        lake.commit("media", _file("a.jsonl", json.dumps({"id": "a", "image": text}))(tmp_path))
