"""Schemas as documents: Arrow types in a form that does not depend on a library's version."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from headrace.datasets.type_widening import wider_type
from headrace.errors import InvalidInput
from headrace.schema.names import check_column_name
from headrace.storage.canonical import JsonValue

__all__ = [
    "CELL_LOCATOR_TYPE",
    "LOCATOR_TYPE",
    "MEDIA_KIND",
    "MEDIA_VIEW_TYPE",
    "check_columns",
    "check_key_column",
    "media_field",
    "media_kind",
    "merge_schemas",
    "normal_type",
    "schema_from_json",
    "schema_to_json",
    "stored_field",
    "type_from_json",
    "type_to_json",
]

MEDIA_KIND = b"headrace.media"
"""Field metadata key; its value is "image", "video", "audio" or "bytes"."""

_MEDIA_KINDS = ("image", "video", "audio", "bytes")

LOCATOR_TYPE = pa.struct(
    [
        pa.field("shard", pa.int32()),  # index into the commit's shards; null when the bytes are adopted in place
        pa.field("uri", pa.string()),  # container of adopted bytes
        pa.field("version", pa.string()),  # pins that container
        pa.field("offset", pa.int64()),  # bytes
        pa.field("size", pa.int64()),  # bytes
        pa.field("digest", pa.binary(32)),  # BLAKE3
        pa.field("check", pa.binary(16)),  # XXH3-128
        pa.field("format", pa.string()),
        pa.field("width", pa.int32()),  # pixels
        pa.field("height", pa.int32()),  # pixels
        pa.field("duration", pa.float64()),  # seconds
    ]
)
"""A media column on disk."""

CELL_LOCATOR_TYPE = pa.struct(
    [
        *LOCATOR_TYPE,
        pa.field(
            "cell",  # of a value adopted from inside a Parquet file, which has no offset there; else null
            pa.struct(
                [
                    pa.field("row_group", pa.int32()),
                    pa.field("row", pa.int32()),  # in the row group, from 0
                    pa.field("column", pa.string()),  # path of the leaf column as Parquet names it: "image.bytes"
                ]
            ),
        ),
    ]
)
"""A media column on disk with values that were adopted from Parquet files."""

MEDIA_VIEW_TYPE = pa.struct(
    [LOCATOR_TYPE.field(name) for name in ("size", "format", "width", "height", "duration", "digest")]
)
"""A media column as filters, queries and statistics see it: no bytes."""

_PLAIN = {
    "null": pa.null(),
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float16": pa.float16(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
    "binary": pa.large_binary(),
    "date32": pa.date32(),
    "date64": pa.date64(),
}
_NAMES = {value: key for key, value in _PLAIN.items()}


def media_field(name: str, kind: str, *, nullable: bool = False) -> pa.Field:
    """An Arrow field whose values are media: bytes in memory, locators on disk."""
    return pa.field(name, pa.large_binary(), nullable=nullable, metadata={MEDIA_KIND: kind.encode()})


def stored_field(field: pa.Field) -> pa.Field:
    """The field as a dataset stores it: encodings removed, media as large binary.

    Raises:
        InvalidInput: A type that Headrace does not store, or media of a kind or type that there is not.
    """
    kind = media_kind(field)
    if kind is None:
        return pa.field(field.name, normal_type(field.type, column=field.name), field.nullable)
    if kind not in _MEDIA_KINDS:
        raise InvalidInput(
            f"there is no media of the kind {kind!r}; expected {', '.join(_MEDIA_KINDS)}", column=field.name
        )
    types = pa.types
    is_single = types.is_binary(field.type) or types.is_large_binary(field.type) or types.is_binary_view(field.type)
    if not is_single:
        raise InvalidInput(
            f"is media, but {field.type}; expected large_binary, as headrace.datasets.columns.media_field makes it",
            column=field.name,
        )
    return media_field(field.name, kind, nullable=field.nullable)


def media_kind(field: pa.Field) -> str | None:
    """The kind of a media field, None for any other field."""
    kind = (field.metadata or {}).get(MEDIA_KIND)
    return None if kind is None else kind.decode()


def normal_type(data_type: pa.DataType, *, column: str) -> pa.DataType:
    """The type that values are stored in: encodings such as dictionaries and views removed, the values kept.

    Whatever lies inside a list, struct or map may be null; only columns can demand a value.

    Raises:
        InvalidInput: A type that Headrace does not store.
    """
    types = pa.types
    if types.is_dictionary(data_type):
        return normal_type(data_type.value_type, column=column)
    if types.is_large_string(data_type) or types.is_string_view(data_type):
        return pa.string()
    if types.is_binary(data_type) or types.is_binary_view(data_type):
        return pa.large_binary()
    if types.is_date64(data_type):
        return pa.date32()  # both are whole days; Parquet knows one of them
    if types.is_large_list(data_type) or types.is_list(data_type) or types.is_list_view(data_type):
        return pa.list_(pa.field("item", normal_type(data_type.value_type, column=column)))
    if types.is_fixed_size_list(data_type):
        item = pa.field("item", normal_type(data_type.value_type, column=column))
        return pa.list_(item, data_type.list_size)
    if types.is_struct(data_type):
        return pa.struct([pa.field(item.name, normal_type(item.type, column=column)) for item in data_type])
    if types.is_map(data_type):
        return pa.map_(normal_type(data_type.key_type, column=column), normal_type(data_type.item_type, column=column))
    if isinstance(data_type, pa.BaseExtensionType):
        return normal_type(data_type.storage_type, column=column)
    if types.is_timestamp(data_type) and data_type.tz is not None:
        _check_time_zone(data_type, column=column)
    type_to_json(data_type, column=column)
    return data_type


def _check_time_zone(data_type: pa.DataType, *, column: str) -> None:
    """Raise `InvalidInput` for a zone that nobody could read the values with."""
    try:
        pa.array([0], data_type).cast(pa.string())
    except pa.ArrowInvalid:
        raise InvalidInput(
            f"the time zone {data_type.tz!r} is not known here; use a name such as Europe/Berlin, or UTC", column=column
        ) from None


def type_to_json(data_type: pa.DataType, *, column: str) -> JsonValue:
    """A type as JSON: a name, or an object with one key for types with parameters.

    Raises:
        InvalidInput: A column cannot have this type; the message names the column.
    """
    types = pa.types
    name = _NAMES.get(data_type)
    if name is not None:
        return name
    if types.is_fixed_size_list(data_type):
        return {"fixed_size_list": [type_to_json(data_type.value_type, column=column), data_type.list_size]}
    if types.is_list(data_type):
        return {"list": type_to_json(data_type.value_type, column=column)}
    if types.is_struct(data_type):
        return {"struct": [[item.name, type_to_json(item.type, column=column), item.nullable] for item in data_type]}
    if types.is_map(data_type):
        key = type_to_json(data_type.key_type, column=column)
        return {"map": [key, type_to_json(data_type.item_type, column=column)]}
    if types.is_timestamp(data_type):
        return {"timestamp": [data_type.unit, data_type.tz]}
    if types.is_time32(data_type) or types.is_time64(data_type):
        return {"time": data_type.unit}
    if types.is_duration(data_type):
        return {"duration": data_type.unit}
    if types.is_fixed_size_binary(data_type):
        return {"fixed_size_binary": data_type.byte_width}
    for bits, test in (
        (32, types.is_decimal32),
        (64, types.is_decimal64),
        (128, types.is_decimal128),
        (256, types.is_decimal256),
    ):
        if test(data_type):
            return {f"decimal{bits}": [data_type.precision, data_type.scale]}
    raise InvalidInput(
        f"columns of Arrow type {data_type} are not stored; cast it first, for example to string, int64 or float64",
        column=column,
    )


def type_from_json(document: JsonValue) -> pa.DataType:
    """The Arrow type of a document that `type_to_json` made."""
    if isinstance(document, str):
        return _PLAIN[document]
    ((name, value),) = document.items()
    match name:
        case "list":
            return pa.list_(pa.field("item", type_from_json(value)))
        case "fixed_size_list":
            return pa.list_(pa.field("item", type_from_json(value[0])), value[1])
        case "struct":
            return pa.struct([pa.field(item, type_from_json(kind), nullable) for item, kind, nullable in value])
        case "map":
            return pa.map_(type_from_json(value[0]), type_from_json(value[1]))
        case "timestamp":
            return pa.timestamp(value[0], value[1])
        case "time":
            return pa.time32(value) if value in ("s", "ms") else pa.time64(value)
        case "duration":
            return pa.duration(value)
        case "fixed_size_binary":
            return pa.binary(value)
        case "decimal32":
            return pa.decimal32(*value)
        case "decimal64":
            return pa.decimal64(*value)
        case "decimal128":
            return pa.decimal128(*value)
        case _:
            return pa.decimal256(*value)


def schema_to_json(schema: pa.Schema) -> list[JsonValue]:
    """Columns in order, each with name, type, nullable and, for media, kind."""
    columns: list[JsonValue] = []
    for field in schema:
        column: dict[str, JsonValue] = {
            "name": field.name,
            "type": type_to_json(field.type, column=field.name),
            "nullable": field.nullable,
        }
        kind = media_kind(field)
        if kind is not None:
            column["media"] = kind
        columns.append(column)
    return columns


def schema_from_json(document: JsonValue) -> pa.Schema:
    """The schema of a document that `schema_to_json` made."""
    fields = []
    for column in document:
        metadata = {MEDIA_KIND: column["media"].encode()} if "media" in column else None
        fields.append(pa.field(column["name"], type_from_json(column["type"]), column["nullable"], metadata))
    return pa.schema(fields)


def check_columns(schema: pa.Schema) -> None:
    """Raise `InvalidInput` for a schema without columns, with a name twice or with a name that is not allowed."""
    if not isinstance(schema, pa.Schema):
        raise InvalidInput(f"the schema is a {type(schema).__name__}: expected a pyarrow.Schema")
    if len(schema) == 0:
        raise InvalidInput("a schema without columns: expected at least one")
    seen: set[str] = set()
    for field in schema:
        check_column_name(field.name)
        if field.name.lower() in seen:
            raise InvalidInput(
                f"column {field.name!r} appears twice (names are compared without case, because SQL engines do); "
                "rename one",
                column=field.name,
            )
        seen.add(field.name.lower())


def check_key_column(field: pa.Field) -> None:
    """Raise `InvalidInput` for a column whose values cannot tell rows apart exactly."""
    types = pa.types
    kind = field.type
    is_exact = types.is_string(kind) or types.is_integer(kind) or types.is_date(kind) or types.is_timestamp(kind)
    if media_kind(field) is not None or not is_exact:
        what = "media" if media_kind(field) is not None else f"a {kind}"
        raise InvalidInput(f"{what} cannot be a key; use text, whole numbers, dates or times", column=field.name)


def merge_schemas(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """All columns in order of first appearance; one that some schema lacks becomes nullable, numbers become as wide as
    the widest.

    Raises:
        InvalidInput: A column has two types of which none holds the values of both.
    """
    merged: dict[str, pa.Field] = {}
    seen_first = False
    for schema in schemas:
        names = set(schema.names)
        for name, field in merged.items():
            if name not in names and not field.nullable:
                merged[name] = field.with_nullable(True)
        for field in schema:
            known = merged.get(field.name)
            if known is None:
                merged[field.name] = field.with_nullable(True) if seen_first else field
                continue
            wider = wider_type(known.type, field.type)
            if wider is None or media_kind(known) != media_kind(field):
                raise InvalidInput(
                    f"is {field.type} here but {known.type} in earlier commits of this dataset; cast it to "
                    f"{known.type} "
                    "in the source, or give the column another name",
                    column=field.name,
                )
            if wider != known.type or (field.nullable and not known.nullable):
                is_nullable = field.nullable or known.nullable
                merged[field.name] = pa.field(field.name, wider, is_nullable, known.metadata)
        seen_first = True
    return pa.schema(list(merged.values()))
