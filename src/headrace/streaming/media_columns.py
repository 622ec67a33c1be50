"""Which columns of a table are media: bytes, Hugging Face's {bytes, path}, or text that names files."""

from __future__ import annotations

import pyarrow as pa

from headrace.datasets.columns import normal_type
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known
from headrace.streaming.media_addresses import names_media
from headrace.streaming.options import IndexOptions

__all__ = ["cast_values", "first_values", "is_pair", "media_columns"]

_LOOKED_AT = 16  # values that say whether a column holds paths of media
_FIRST_ROWS = 4096  # among which they are


def is_pair(kind: pa.DataType) -> bool:
    """Whether it is the form in which Hugging Face's datasets hold media: {bytes, path}."""
    return pa.types.is_struct(kind) and {item.name for item in kind} == {"bytes", "path"}


def media_columns(batch: pa.RecordBatch, options: IndexOptions, *, name: str) -> dict[str, tuple[str, bool]]:
    """Kind of each media column, and whether it holds paths.

    Raises:
        InvalidInput: The options name a column that is not there, or that holds neither text nor bytes.
    """
    types = pa.types
    found: dict[str, tuple[str, bool]] = {}
    for column in options.media or ():
        if column not in batch.schema.names:
            hint = near_miss_or_known(column, batch.schema.names)
            raise InvalidInput(f"media={column!r}: there is no such column.{hint}", file=name)
    for column in batch.schema:
        kind = normal_type(column.type, column=column.name)
        if types.is_large_binary(kind):
            found[column.name] = ("bytes", False)
        elif is_pair(kind):
            paths = [item["path"] for item in batch.column(column.name)[:_LOOKED_AT].to_pylist() if item is not None]
            found[column.name] = (names_media([path for path in paths if path]) or "bytes", False)
        elif options.media is not None and column.name in options.media:
            if not types.is_string(kind):
                raise InvalidInput(f"is {kind}; media are paths, URIs or bytes", file=name, column=column.name)
            found[column.name] = (names_media(first_values(batch.column(column.name))) or "bytes", True)
        elif options.media is None and types.is_string(kind) and column.name != options.key:
            media_kind = names_media(first_values(batch.column(column.name)))
            if media_kind is not None:
                found[column.name] = (media_kind, True)
    return found


def first_values(values: pa.Array) -> list[str]:
    """The first few texts that are there and not empty."""
    found: list[str] = []
    for start in range(0, min(len(values), _FIRST_ROWS), _LOOKED_AT):
        texts = cast_values(values[start : start + _LOOKED_AT], pa.string()).to_pylist()
        found += [text for text in texts if text]
        if len(found) >= _LOOKED_AT:
            break
    return found[:_LOOKED_AT]


def cast_values(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The values in another type, without the mark of an extension type."""
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.storage
    return values if values.type == wanted else values.cast(wanted)
