"""Input that is refused: a typed error that says where and what to do, and a lake that is as it was before."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import headrace
from headrace.datasets.columns import media_field
from headrace.datasets.lake import Lake
from headrace.errors import AlreadyExists, HeadraceError, InvalidInput, NotFound
from tests.bad_sources import BAD_SOURCES, JPEG, MEDIA_SCHEMA, TABLE_SCHEMA, file_source

_CREATE: dict[str, dict[str, Any]] = {
    "texts": {"type": "TEXT_INTENT"},
    "photos": {"type": "IMAGE_CLASS"},
    "files": {"type": "GENERIC"},
    "rows": {"schema": TABLE_SCHEMA, "key": "id"},
    "media": {"schema": MEDIA_SCHEMA, "key": "id"},
}
_GOOD: dict[str, list[dict[str, Any]]] = {
    "texts": [{"text": "how is the weather", "labels": ["weather"], "note": "n"}],
    "photos": [{"id": "good.jpg", "image": JPEG, "label": "cat"}],
    "files": [{"name": "good.bin", "data": b"good"}],
    "rows": [{"id": 1, "name": "good", "score": 0.5}],
    "media": [{"id": "good", "image": JPEG}],
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


@pytest.mark.parametrize("kind", BAD_SOURCES)
def test_bad_source_is_refused_and_changes_nothing(kind: str, tmp_path: Path) -> None:
    bad = BAD_SOURCES[kind]
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
    assert len(BAD_SOURCES) >= 90


def test_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    plain = headrace.connect(tmp_path / "a").create_dataset(
        "t", type="TEXT_INTENT", source=file_source("a.csv", "é,b\n")(tmp_path)
    )
    marked = headrace.connect(tmp_path / "b").create_dataset(
        "t", type="TEXT_INTENT", source=file_source("b.csv", b"\xef\xbb\xbf" + "é,b\n".encode())(tmp_path)
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
    "schema for a fixed type": (
        {"name": "x", "type": "GENERIC", "schema": TABLE_SCHEMA},
        InvalidInput,
        "use type TABLE",
    ),
    "key for a fixed type": ({"name": "x", "type": "GENERIC", "key": "data"}, InvalidInput, "only a TABLE takes key="),
    "key that is no column": (
        {"name": "x", "schema": TABLE_SCHEMA, "key": "nmae"},
        InvalidInput,
        "Did you mean 'name'?",
    ),
    "key that is a float": (
        {"name": "x", "schema": TABLE_SCHEMA, "key": "score"},
        InvalidInput,
        "use text, whole numbers",
    ),
    "key that is media": (
        {"name": "x", "schema": MEDIA_SCHEMA, "key": "image"},
        InvalidInput,
        "use text, whole numbers",
    ),
    "replace without a key": (
        {"name": "x", "schema": TABLE_SCHEMA, "on_duplicate_key": "replace"},
        InvalidInput,
        "declare one with key=COLUMN",
    ),
    "unknown rule for keys": (
        {"name": "x", "schema": TABLE_SCHEMA, "key": "id", "on_duplicate_key": "first"},
        InvalidInput,
        "'keep' or 'replace'",
    ),
    "reserved column": (
        {"name": "x", "schema": pa.schema([("_commit", pa.int64())])},
        InvalidInput,
        "rename the column",
    ),
    "no columns": ({"name": "x", "schema": pa.schema([])}, InvalidInput, "at least one"),
    "unknown Arrow type": (
        {"name": "x", "schema": pa.schema([("a", pa.month_day_nano_interval())])},
        InvalidInput,
        "cast it first",
    ),
    "owner that is no text": ({"name": "x", "type": "GENERIC", "owner": 5}, InvalidInput, "owner is a int"),
    "unknown time zone": (
        {"name": "x", "schema": pa.schema([("t", pa.timestamp("us", "Mars/Olympus"))])},
        InvalidInput,
        "Europe/Berlin",
    ),
    "media of an unknown kind": (
        {"name": "x", "schema": pa.schema([media_field("m", "smell")])},
        InvalidInput,
        "expected image, video, audio, bytes",
    ),
    "media that is text": (
        {"name": "x", "schema": pa.schema([media_field("m", "image").with_type(pa.string())])},
        InvalidInput,
        "expected large_binary",
    ),
    "schema that is none": ({"name": "x", "schema": {"a": "int"}}, InvalidInput, "expected a pyarrow.Schema"),
    "type that is no text": ({"name": "x", "type": 5}, InvalidInput, "type is a int"),
    "key that is no text": ({"name": "x", "schema": TABLE_SCHEMA, "key": 5}, InvalidInput, "key is a int"),
    "layout of nothing": ({"name": "x", "type": "GENERIC", "layout": 5}, InvalidInput, "expected IngestLayout"),
    "bad tag": ({"name": "x", "type": "GENERIC", "tags": {"a": "\n"}}, InvalidInput, "control characters"),
}


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
    "commit to a missing dataset": (
        lambda lake: lake.commit("nope", []),
        NotFound,
        "To create it: headrace dataset create",
    ),
    "reference of another form": (lambda lake: lake.snapshot("texts@"), InvalidInput, "expected LAKE::DATASET"),
    "reference to another lake": (
        lambda lake: lake.snapshot("/other::texts"),
        InvalidInput,
        "Leave out the part before '::'",
    ),
    "alias that is not there": (lambda lake: lake.snapshot("texts@prd"), NotFound, "Did you mean 'prod'?"),
    "id that is not there": (lambda lake: lake.snapshot("texts@id:00000000"), NotFound, "no snapshot"),
    "bad alias": (lambda lake: lake.snapshot("texts").alias("a b"), InvalidInput, "cannot be an alias"),
    "unknown commit": (lambda lake: lake.dataset("texts").snapshot(upto="9"), NotFound, "there is no commit '9'"),
    "commit id of another form": (
        lambda lake: lake.dataset("texts").snapshot(upto="01"),
        NotFound,
        "there is no commit '01'",
    ),
    "where that is no expression": (lambda lake: lake.dataset("texts").snapshot(where="text ="), InvalidInput, "where"),
    "where with a second statement": (
        lambda lake: lake.dataset("texts").snapshot(where="true; DROP TABLE x"),
        InvalidInput,
        "where",
    ),
    "where that reads a file": (
        lambda lake: lake.dataset("texts").snapshot(where="text IN (SELECT content FROM read_text('/etc/passwd'))"),
        InvalidInput,
        "where",
    ),
    "where over an unknown column": (
        lambda lake: lake.dataset("texts").snapshot(where="txt = 'a'"),
        InvalidInput,
        "text",
    ),
    "where that is no condition": (
        lambda lake: lake.dataset("texts").snapshot(where="len(text)"),
        InvalidInput,
        "where",
    ),
    "unknown column": (
        lambda lake: lake.dataset("texts").snapshot(columns=["txt"]),
        InvalidInput,
        "Did you mean 'text'?",
    ),
    "no columns": (lambda lake: lake.dataset("texts").snapshot(columns=[]), InvalidInput, "at least one column"),
    "column twice": (lambda lake: lake.dataset("texts").snapshot(columns=["text", "text"]), InvalidInput, "each once"),
    "bad tag": (lambda lake: lake.dataset("texts").snapshot(tags={"a": "\n"}), InvalidInput, "control characters"),
    "shares that do not add up": (
        lambda lake: lake.snapshot("texts").split({"a": 0.5, "b": 0.4}),
        InvalidInput,
        "must add up to 1",
    ),
    "split by an unknown column": (
        lambda lake: lake.snapshot("texts").split({"a": 0.5, "b": 0.5}, group="lable"),
        InvalidInput,
        "labels",
    ),
    "batches of nothing": (lambda lake: list(lake.snapshot("texts").scan(0)), InvalidInput, "from 1"),
    "query with two statements": (lambda lake: lake.snapshot("texts").query("select 1; select 2"), InvalidInput, ""),
    "unknown export format": (
        lambda lake: lake.snapshot("texts").export("/nowhere/x", format="parqet"),
        InvalidInput,
        "Did you mean 'parquet'?",
    ),
    "columns as one text": (
        lambda lake: lake.dataset("texts").snapshot(columns="text"),
        InvalidInput,
        "expected a list of names",
    ),
    "columns to read as one text": (
        lambda lake: lake.snapshot("texts").to_arrow("text"),
        InvalidInput,
        "expected a list of names",
    ),
    "export in files of nothing": (
        lambda lake: lake.snapshot("texts").export("/tmp/headrace-nowhere", format="parquet", file_bytes=0),
        InvalidInput,
        "expected a whole number of bytes from 1",
    ),
    "metric that is no number": (
        lambda lake: lake.record_run(lake.snapshot("texts"), name="a", metrics={"x": float("nan")}),
        InvalidInput,
        "expected a finite number",
    ),
    "lineage of an unknown sample": (lambda lake: lake.lineage("nope"), NotFound, "headrace sample"),
    "run whose name cannot be stored": (
        lambda lake: lake.record_run(lake.snapshot("texts"), name="\ud800"),
        InvalidInput,
        "name of the run",
    ),
}


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
    with pytest.raises(TypeError, match=r"whole numbers|row numbers"):
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
        with pytest.raises(NotFound, match=r"there is no lake at .*headrace dataset create"):
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
    text = base64.b64encode(JPEG).decode()
    with pytest.raises(InvalidInput, match="image"):
        lake.commit("media", file_source("a.jsonl", json.dumps({"id": "a", "image": text}))(tmp_path))
