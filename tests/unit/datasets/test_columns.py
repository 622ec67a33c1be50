"""Schemas as documents."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings

from headrace.datasets.columns import (
    check_columns,
    check_key_column,
    media_field,
    media_kind,
    merge_schemas,
    normal_type,
    schema_from_json,
    schema_to_json,
    type_from_json,
    type_to_json,
)
from headrace.errors import InvalidInput
from tests.arrow_values import arrow_types


@settings(max_examples=150)
@given(arrow_types(max_depth=3))
def test_stored_type_reads_back_from_json(kind: pa.DataType) -> None:
    stored = normal_type(kind, column="x")
    document = json.loads(json.dumps(type_to_json(stored, column="x")))
    assert type_from_json(document) == stored
    assert normal_type(stored, column="x") == stored, "a stored type is plain already"


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.large_string(), pa.string()),
        (pa.string_view(), pa.string()),
        (pa.binary(), pa.large_binary()),
        (pa.binary_view(), pa.large_binary()),
        (pa.large_list(pa.large_string()), pa.list_(pa.string())),
        (pa.list_view(pa.int8()), pa.list_(pa.int8())),
        (pa.list_(pa.large_string(), 3), pa.list_(pa.string(), 3)),
        (pa.list_(pa.field("element", pa.int8(), nullable=False)), pa.list_(pa.int8())),
        (pa.struct([pa.field("a", pa.large_string(), nullable=False)]), pa.struct([("a", pa.string())])),
        (pa.map_(pa.large_string(), pa.binary()), pa.map_(pa.string(), pa.large_binary())),
        (pa.date64(), pa.date32()),
        (pa.uuid(), pa.binary(16)),
        (pa.timestamp("us", "Europe/Berlin"), pa.timestamp("us", "Europe/Berlin")),
    ],
)
def test_encodings_are_removed(kind: pa.DataType, stored: pa.DataType) -> None:
    assert normal_type(kind, column="x") == stored


@pytest.mark.parametrize("kind", [pa.month_day_nano_interval(), pa.run_end_encoded(pa.int32(), pa.string())])
def test_types_that_are_not_stored_are_named(kind: pa.DataType) -> None:
    for wrapped in (kind, pa.list_(kind), pa.struct([("a", kind)])):
        with pytest.raises(InvalidInput, match=r"column x: columns of Arrow type .* are not stored; cast it first"):
            normal_type(wrapped, column="x")


def test_schema_reads_back_with_media_and_nulls() -> None:
    schema = pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            media_field("image", "image"),
            media_field("sound", "audio", nullable=True),
            pa.field("score", pa.float32()),
        ]
    )
    again = schema_from_json(json.loads(json.dumps(schema_to_json(schema))))
    assert again.equals(schema, check_metadata=True)
    assert [media_kind(field) for field in again] == [None, "image", "audio", None]


@pytest.mark.parametrize("names", [["a", "a"], ["a", "A"], ["id", "Id"]])
def test_columns_must_differ_without_case(names: list[str]) -> None:
    with pytest.raises(InvalidInput, match="appears twice"):
        check_columns(pa.schema([(name, pa.int64()) for name in names]))


def test_schema_needs_columns() -> None:
    with pytest.raises(InvalidInput, match="without columns"):
        check_columns(pa.schema([]))
    with pytest.raises(InvalidInput, match="_id"):
        check_columns(pa.schema([("_id", pa.string())]))


@pytest.mark.parametrize(
    "field",
    [
        pa.field("k", pa.float64()),
        pa.field("k", pa.bool_()),
        pa.field("k", pa.list_(pa.string())),
        media_field("k", "bytes"),
    ],
)
def test_key_must_be_exact(field: pa.Field) -> None:
    with pytest.raises(InvalidInput, match="cannot be a key; use text"):
        check_key_column(field)


@pytest.mark.parametrize("kind", [pa.string(), pa.int8(), pa.uint64(), pa.date32(), pa.timestamp("us", "UTC")])
def test_key_may_be_text_number_or_time(kind: pa.DataType) -> None:
    check_key_column(pa.field("k", kind))


def test_merged_schema_has_all_columns_in_order_of_appearance() -> None:
    first = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string(), nullable=False)])
    second = pa.schema([pa.field("c", pa.int8(), nullable=False), pa.field("a", pa.int64(), nullable=False)])
    merged = merge_schemas([first, second])
    assert merged == pa.schema(
        [pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.string()), pa.field("c", pa.int8())]
    )
    assert merge_schemas([first, first]) == first
    assert merge_schemas([]) == pa.schema([])
    loose = pa.schema([pa.field("a", pa.int64())])
    assert merge_schemas([first, loose]).field("a").nullable


def test_merged_schema_refuses_two_types_and_two_kinds_of_media() -> None:
    with pytest.raises(InvalidInput, match=r"column a: is string here but int64 in earlier"):
        merge_schemas([pa.schema([("a", pa.int64())]), pa.schema([("a", pa.string())])])
    with pytest.raises(InvalidInput, match="column a"):
        merge_schemas([pa.schema([media_field("a", "image")]), pa.schema([media_field("a", "audio")])])
    with pytest.raises(InvalidInput, match="column a"):
        merge_schemas([pa.schema([media_field("a", "image")]), pa.schema([("a", pa.large_binary())])])
