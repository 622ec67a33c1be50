"""Sources that a lake refuses, each with the error that it must give."""

from __future__ import annotations

import gzip
import io
import json
import socket
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.datasets.columns import media_field
from headrace.errors import HeadraceError, InvalidInput, NotFound, Unavailable
from tests.generated_media import image_bytes

__all__ = ["BAD_SOURCES", "JPEG", "MEDIA_SCHEMA", "TABLE_SCHEMA", "Bad", "file_source"]

TABLE_SCHEMA = pa.schema(
    [pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string()), pa.field("score", pa.float64())]
)
MEDIA_SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), media_field("image", "image", nullable=True)])
JPEG = image_bytes("JPEG", width=32, height=32)


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


def file_source(name: str, content: bytes | str) -> Callable[[Path], str]:
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
    outside.write_bytes(JPEG)
    root = folder / "delivery"
    (root / "cat").mkdir(parents=True)
    (root / "cat" / "a.jpg").symlink_to(outside)
    return str(root)


def _endless(folder: Path) -> Iterator[dict[str, Any]]:
    yield {"id": 7, "name": "fine"}
    yield {"id": "seven", "name": "not fine"}


def _photos(**files: bytes) -> dict[str, bytes]:
    return {f"{name.replace('__', '/')}.jpg": content for name, content in files.items()}


BAD_SOURCES: dict[str, Bad] = {
    # nothing there, or nothing in it
    "missing file": Bad("texts", lambda folder: str(folder / "nope.csv"), "no such file or folder", error=NotFound),
    "missing folder of a file": Bad("texts", lambda folder: str(folder / "a" / "b.csv"), "does not exist", NotFound),
    "glob without a match": Bad("texts", lambda folder: str(folder / "*.csv"), "no file matches", error=NotFound),
    "empty file": Bad("texts", file_source("a.csv", ""), "empty file; expected rows", file="a.csv"),
    "empty folder": Bad("files", _folder({}), "empty folder; expected at least one file", file="delivery"),
    "empty list": Bad("texts", lambda folder: [], "an empty list; expected at least one path or dict"),
    "empty generator": Bad("rows", lambda folder: iter(()), "expected at least one path or dict"),
    "empty table": Bad("rows", lambda folder: TABLE_SCHEMA.empty_table(), "without rows; expected at least one"),
    "header without rows": Bad("rows", file_source("a.csv", "id,name\n"), "a header and no rows", file="a.csv"),
    "empty zip": Bad(
        "files", file_source("a.zip", _zip([])), "empty archive; expected at least one file", file="a.zip"
    ),
    # text
    "one column": Bad(
        "texts",
        file_source("a.csv", "good,label\nbad\n"),
        "one column only; expected an utterance and",
        file="a.csv",
        line=2,
    ),
    "NUL": Bad("texts", file_source("a.csv", b"good,label\nb\0d,label\n"), "NUL", file="a.csv", line=2),
    "invalid UTF-8": Bad(
        "texts", file_source("a.csv", b"good,label\nb\xffd,label\n"), "UTF-8", file="a.csv", line=2, column=2
    ),
    "UTF-16": Bad("texts", file_source("a.csv", "good,label\n".encode("utf-16")), "UTF-8", file="a.csv", line=1),
    "huge quoted field": Bad(
        "texts", file_source("a.csv", '"' + "x" * (17 << 20) + '",label\n'), "16", file="a.csv", line=1
    ),
    "unterminated quote": Bad("texts", file_source("a.csv", 'a,b\n"c,d\ne,f\n'), "quote", file="a.csv", line=2),
    "text behind a quote": Bad("texts", file_source("a.csv", 'a,b\n"c"d,e\n'), "quote", file="a.csv", line=2),
    "too many fields": Bad(
        "rows", file_source("a.csv", "id,name,score\n7,a,1.5\n8,b,2.5,x\n"), "4 fields", file="a.csv", line=3
    ),
    "column name twice": Bad(
        "rows", file_source("a.csv", "id,name,name\n7,a,b\n"), "twice; expected unique names", file="a.csv", line=1
    ),
    "broken JSON": Bad("rows", file_source("a.json", '[{"id": 7}, {"id": '), "JSON", file="a.json"),
    "broken JSON line": Bad("rows", file_source("a.jsonl", '{"id": 7}\n{"id": \n'), "JSON", file="a.jsonl", line=2),
    "JSON line that is no object": Bad(
        "rows", file_source("a.jsonl", '{"id": 7}\n[8]\n'), "object", file="a.jsonl", line=2
    ),
    "truncated Parquet": Bad(
        "rows", file_source("a.parquet", _parquet(pa.table({"id": [7]}))[:-9]), "Parquet", file="a.parquet"
    ),
    "no Parquet": Bad("rows", file_source("a.parquet", b"PAR1" + bytes(80) + b"PAR1"), "Parquet", file="a.parquet"),
    "truncated gzip": Bad(
        "texts", file_source("a.csv.gz", gzip.compress(b"good,label\n" * 9)[:-12]), "cut off", file="a.csv.gz"
    ),
    "gzip bomb": Bad(
        "texts",
        file_source("a.csv.gz", gzip.compress(b"good,label\n" * 480_000)),
        "decompression bomb",
        file="a.csv.gz",
    ),
    # archives
    "zip slip": Bad(
        "files", file_source("a.zip", _zip([("../up.bin", b"x")])), "climbs out of the archive", file="a.zip"
    ),
    "zip slip inside": Bad(
        "files", file_source("a.zip", _zip([("a/../../up", b"x")])), "climbs out of the archive", file="a.zip"
    ),
    "absolute member": Bad(
        "files", file_source("a.zip", _zip([("/etc/cron.d/x", b"x")])), "absolute path", file="a.zip"
    ),
    "backslash member": Bad("files", file_source("a.zip", _zip([("..\\up.bin", b"x")])), "backslash", file="a.zip"),
    "drive member": Bad("files", file_source("a.zip", _zip([("C:/up.bin", b"x")])), "drive letter", file="a.zip"),
    "tar slip": Bad("files", file_source("a.tar", _tar("../up.bin", b"x")), "climbs out of the archive", file="a.tar"),
    "symlink in a zip": Bad("photos", file_source("a.zip", _symlink_zip()), "link", file="a.zip"),
    "symlink in a tar": Bad(
        "photos", file_source("a.tar", _tar("cat/a.jpg", b"", kind=tarfile.SYMTYPE)), "link", file="a.tar"
    ),
    "hard link in a tar": Bad(
        "photos", file_source("a.tar", _tar("cat/a.jpg", b"", kind=tarfile.LNKTYPE)), "link", file="a.tar"
    ),
    "device in a tar": Bad(
        "photos", file_source("a.tar", _tar("cat/a.jpg", b"", kind=tarfile.CHRTYPE)), "device", file="a.tar"
    ),
    "duplicate member": Bad("files", file_source("a.zip", _duplicate_zip("one.bin")), "occurs twice", file="a.zip"),
    "zip bomb": Bad(
        "files", file_source("a.zip", _zip([("zeros", bytes(8 << 20))])), "decompression bomb", file="a.zip"
    ),
    "lying size": Bad("files", file_source("a.zip", _zip([("a", b"x" * 99)], change=_lying_size)), "member 'a'"),
    "encrypted zip": Bad(
        "files", file_source("a.zip", _zip([("a", b"x" * 99)], change=_encrypted)), "encrypted", file="a.zip"
    ),
    "truncated zip": Bad("files", file_source("a.zip", _zip([("a", b"x" * 99)])[:-30]), "zip", file="a.zip"),
    "truncated tar": Bad("files", file_source("a.tar", _tar("a", bytes(5000))[:2000]), "cut off", file="a.tar"),
    "no zip": Bad("files", file_source("a.zip", b"not a zip at all" * 9), "zip", file="a.zip"),
    # images
    "undecodable image": Bad("photos", _folder({"cat/a.jpg": b"GIF? no, text"}), "image", file="cat/a.jpg"),
    "empty image": Bad("photos", _folder({"cat/a.jpg": b""}), "empty", file="cat/a.jpg"),
    "truncated JPEG": Bad("photos", _folder({"cat/a.jpg": JPEG[:120]}), "", file="cat/a.jpg"),
    "truncated PNG": Bad("photos", _folder({"cat/a.png": image_bytes("PNG")[:20]}), "", file="cat/a.png"),
    "billion pixels": Bad("photos", _folder({"cat/a.png": _png_header(1 << 17, 1 << 17)}), "pixels", file="cat/a.png"),
    "flat folder of photos": Bad(
        "photos",
        _folder({"a.jpg": JPEG, "b.jpg": JPEG}),
        "<label>/<image>, one folder a label, or an index",
        file="delivery",
    ),
    "nested folders of photos": Bad(
        "photos", _folder({"x/cat/a.jpg": JPEG}), "2 folders deep; expected <label>/<image>", file="x/cat/a.jpg"
    ),
    "file that is no photo": Bad(
        "photos", _folder({"cat/a.jpg": JPEG, "cat/a.exe": b"MZ"}), "no image file by its name", file="cat/a.exe"
    ),
    "index that names a missing photo": Bad(
        "photos", _folder({"index.csv": b"filename,label\nb.jpg,cat\n", "a.jpg": JPEG}), "b.jpg"
    ),
    "index that leads out": Bad(
        "photos", _folder({"index.csv": b"filename,label\n../a.jpg,cat\n", "a.jpg": JPEG}), "../a.jpg"
    ),
    "link that leads out": Bad("photos", _outside_link, "leads out of the folder", file="delivery"),
    "empty label": Bad(
        "photos", lambda folder: [{"id": "a", "image": JPEG, "label": ""}], "label is empty", column="label"
    ),
    # schema
    "wrong type in a CSV": Bad(
        "rows", file_source("a.csv", "id,name\n7,a\nseven,b\n"), "int64", file="a.csv", line=3, column="id"
    ),
    "wrong type in dicts": Bad("rows", _endless, "row 1 (counted from 0): column 'id' holds 'seven'", column="id"),
    "wrong type in a table": Bad("rows", lambda folder: pa.table({"id": ["x"]}), "is no int64", column="id"),
    "fraction for a whole number": Bad("rows", lambda folder: pa.table({"id": [7.5]}), "is no int64", column="id"),
    "number that overflows": Bad(
        "rows", lambda folder: pa.table({"id": pa.array([2**64 - 1], pa.uint64())}), "is no int64", column="id"
    ),
    "missing column": Bad(
        "rows",
        lambda folder: pa.table({"name": ["x"]}),
        "there is no column id; expected the declared columns id, name, score",
    ),
    "unknown column": Bad(
        "rows", lambda folder: pa.table({"id": [7], "nmae": ["x"]}), "Did you mean 'name'?", column="nmae"
    ),
    "null key": Bad(
        "rows", lambda folder: pa.table({"id": pa.array([7, None], pa.int64())}), "the key is null", column="id"
    ),
    "duplicate key": Bad(
        "rows", lambda folder: pa.table({"id": [7, 8, 7]}), "the key '7' appears twice in this commit, first at memory:"
    ),
    "duplicate key in a file": Bad(
        "rows", file_source("a.csv", "id,name\n7,a\n8,b\n7,c\n"), "the key '7' appears twice", file="in/a.csv", line=4
    ),
    "duplicate id of a photo": Bad(
        "photos", lambda folder: [{"id": "a", "image": JPEG, "label": "x"}] * 2, "the key 'a' appears twice"
    ),
    "reserved column": Bad("texts", lambda folder: pa.table({"text": ["a"], "labels": [["b"]], "_id": ["c"]}), "'_id'"),
    "further column in GENERIC": Bad(
        "files", lambda folder: [{"name": "a", "data": b"b", "note": "c"}], "use type TABLE", column="note"
    ),
    "null text": Bad(
        "texts",
        lambda folder: pa.table({"text": ["a", None], "labels": [["b"], ["c"]]}),
        "the text is null",
        line=2,
        column="text",
    ),
    "column type of an earlier commit": Bad(
        "texts",
        lambda folder: pa.table({"text": ["a"], "labels": [["b"]], "note": [5]}),
        "is int64, and earlier commits have text",
        column="note",
    ),
    "column that differs in case": Bad(
        "texts",
        lambda folder: pa.table({"text": ["a"], "labels": [["b"]], "NOTE": ["n"]}),
        "names are compared without case",
        column="NOTE",
    ),
    "files for a table": Bad("rows", _folder({"a.jpg": JPEG}), "table"),
    # media by path
    "media path that leads out": Bad(
        "media",
        file_source("a.csv", "id,image\na,../../etc/hostname\n"),
        "leads out of the folder of its table",
        file="a.csv",
        line=2,
        column="image",
    ),
    "absolute media path": Bad(
        "media",
        file_source("a.csv", "id,image\na,/etc/hostname\n"),
        "leads out of the folder of its table",
        file="a.csv",
        line=2,
        column="image",
    ),
    "file URI as media path": Bad(
        "media",
        file_source("a.csv", "id,image\na,file:///etc/hostname\n"),
        "leads out of the folder",
        file="a.csv",
        line=2,
        column="image",
    ),
    "media path to nothing": Bad(
        "media",
        file_source("a.jsonl", json.dumps({"id": "a", "image": "nope.jpg"})),
        "no such file",
        file="a.jsonl",
        line=1,
        column="image",
    ),
    "media that is no image": Bad("media", lambda folder: [{"id": "a", "image": b"text"}], "image"),
    # places
    "unsupported extension": Bad(
        "texts",
        file_source("a.xlsx", b"PK\x03\x04"),
        "extension '.xlsx' is not supported; expected .csv",
        file="a.xlsx",
    ),
    "unknown scheme": Bad("texts", lambda folder: "s4://bucket/a.csv", 'unknown scheme "s4"; expected a path'),
    "scheme with one slash": Bad("texts", lambda folder: "s3:/bucket/a.csv", 'did you mean "s3://bucket/a.csv"'),
    "credentials in a URI": Bad(
        "texts", lambda folder: "s3://key:secret@bucket/a.csv", "put them into the environment"
    ),
    "host that does not answer": Bad("texts", lambda folder: _closed_port(), "", error=Unavailable),
    "NUL in a path": Bad("texts", lambda folder: "a\0.csv", "NUL"),
    "number as a source": Bad("texts", lambda folder: 5, "a int is no source; expected a path, URI"),
    "bytes as a source": Bad("texts", lambda folder: b"a,b\n", "a bytes is no source; expected a path, URI"),
    "paths and dicts": Bad("texts", lambda folder: ["a.csv", {"text": "a"}], "among paths; expected paths only"),
    # how
    "reference to compressed members": Bad(
        "photos",
        file_source("a.zip", _zip([("cat/a.jpg", JPEG)])),
        "Commit with media='copy'",
        options={"media": "reference"},
    ),
    "reference to bytes in memory": Bad(
        "photos",
        lambda folder: [{"id": "a", "image": JPEG, "label": "x"}],
        "Commit with media='copy'",
        options={"media": "reference"},
    ),
    "unknown media mode": Bad(
        "texts", file_source("a.csv", "a,b\n"), "expected 'copy' or 'reference'", options={"media": "move"}
    ),
    "unknown failure policy": Bad(
        "texts", file_source("a.csv", "a,b\n"), "expected 'raise' or 'skip'", options={"on_invalid": "ignore"}
    ),
    "unknown option": Bad(
        "texts", file_source("a.csv", "a,b\n"), "commit() has no option 'speed'", options={"speed": 9}
    ),
    "tag without key": Bad("texts", file_source("a.csv", "a,b\n"), "tag key '' is empty", options={"tags": {"": "x"}}),
    "tag that is no text": Bad("texts", file_source("a.csv", "a,b\n"), "expected text", options={"tags": {"a": 5}}),
    "tag with a line end": Bad(
        "texts", file_source("a.csv", "a,b\n"), "control characters", options={"tags": {"a": "b\n"}}
    ),
    "message that is too long": Bad(
        "texts", file_source("a.csv", "a,b\n"), "limit is 10,000", options={"message": "x" * 10_001}
    ),
    "message that is no text": Bad("texts", file_source("a.csv", "a,b\n"), "message is a int", options={"message": 5}),
    "nothing but invalid rows": Bad(
        "texts", file_source("a.csv", "one\ntwo\n"), "no rows left to commit: all 2", options={"on_invalid": "skip"}
    ),
}
