"""Columns of a TABLE from a file: what `dataset show` prints comes back, anything else is named."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.cli.schema_file import read_schema_file
from headrace.datasets.columns import media_field, schema_to_json
from headrace.errors import InvalidInput


def _file(folder: Path, content: object) -> Path:
    path = folder / "schema.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_schema_that_was_printed_comes_back(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("when", pa.timestamp("us", "UTC")),
            pa.field("words", pa.list_(pa.field("item", pa.string()))),
            media_field("photo", "image", nullable=True),
        ]
    )
    assert read_schema_file(_file(tmp_path, schema_to_json(schema))).equals(schema, check_metadata=True)


def test_short_form_is_nullable(tmp_path: Path) -> None:
    schema = read_schema_file(_file(tmp_path, [{"name": "a", "type": "int64"}, {"name": "p", "media": "image"}]))
    assert schema.field("a") == pa.field("a", pa.int64())
    assert schema.field("p").nullable


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no JSON"),
        ("\x00", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ({"a": "int64"}, "another form"),
        ([1], "another form"),
        ([{"type": "int64"}], "has no name"),
        ([{"name": 1, "type": "int64"}], "has no name"),
        ([{"name": "a"}], "type is None"),
        ([{"name": "a", "type": "integer"}], "type is 'integer'"),
        ([{"name": "a", "type": {"list": "nothing"}}], "expected an Arrow type"),
        ([{"name": "a", "type": {"decimal128": [99, 0]}}], "expected an Arrow type"),
        ([{"name": "a", "type": {}}], "expected an Arrow type"),
        ([{"name": "a", "type": "int64", "unit": "s"}], "unknown key 'unit'"),
        ([{"name": "a", "type": "int64", "nullable": 1}], "nullable is 1"),
        ([{"name": "a", "media": "smell"}], "media is 'smell'"),
        ([{"name": "a", "type": "int64"}, {"name": "A", "type": "int64"}], "appears twice"),
        ([], "without columns"),
        ([{"name": "_id", "type": "int64"}], "cannot be called"),
    ],
)
def test_other_content_is_named(content: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_schema_file(_file(tmp_path, content))
