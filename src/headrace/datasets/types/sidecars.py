"""Small files beside media files: classes, captions and JSON with further fields."""

from __future__ import annotations

from typing import Final

import orjson
import pyarrow as pa

from headrace.datasets.batches import FileEntry
from headrace.datasets.sources.system_columns import SYSTEM_COLUMNS
from headrace.errors import InvalidInput
from headrace.schema.names import check_column_name

__all__ = ["FieldValue", "FieldColumns", "MAX_SIDECAR_BYTES", "read_fields", "read_text"]

MAX_SIDECAR_BYTES: Final = 16 << 20

FieldValue = str | int | float | bool | list[str] | list[int] | list[float] | None
"""What a JSON field becomes: plain values and lists of one kind; anything else is kept as JSON text."""

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1


def read_text(entry: FileEntry) -> str:
    """The text of a small file, without a byte order mark and without one line end after the last character.

    Raises:
        InvalidInput: Larger than `MAX_SIDECAR_BYTES`, or not UTF-8.
    """
    data = _read(entry)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"is not UTF-8 text: byte {data[error.start]:#04x} at position {error.start}", file=entry.media.name
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def read_fields(entry: FileEntry) -> dict[str, FieldValue]:
    """The fields of a JSON object.

    Raises:
        InvalidInput: Too large, not JSON, or not an object.
    """
    data = _read(entry).removeprefix(b"\xef\xbb\xbf")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"is not JSON: {error}", file=entry.media.name) from None
    if not isinstance(document, dict):
        raise InvalidInput('holds no JSON object; expected {"name": value, ...}', file=entry.media.name)
    # Both are there in what Headrace exported, and are no fields of the sample.
    ours = SYSTEM_COLUMNS if {"_id", "_digest"} <= document.keys() else frozenset()
    return {name: _plain(value) for name, value in document.items() if name not in ours}


class FieldColumns:
    """Collects fields batch by batch; types are settled once all were seen, the same for every batch."""

    __slots__ = ("_batches", "_kinds")

    def __init__(self) -> None:
        self._batches: list[dict[str, pa.Array]] = []
        self._kinds: dict[str, tuple[pa.DataType, str]] = {}  # type, and a file that has it

    def add(self, rows: list[dict[str, FieldValue]], entries: list[FileEntry]) -> None:
        """The fields of the rows of one batch.

        Raises:
            InvalidInput: A name that is not allowed, or values of two kinds in one field.
        """
        columns: dict[str, pa.Array] = {}
        for name in dict.fromkeys(name for row in rows for name in row):
            values = [row.get(name) for row in rows]
            for value, entry in zip(values, entries):
                self._settle(name, value, entry)
            kind = self._kinds[name][0]
            if kind == pa.float64():
                values = [float(value) if isinstance(value, int) else value for value in values]
            columns[name] = pa.array(values, kind)
        self._batches.append(columns)

    def columns(self, batch_idx: int, num_rows: int) -> dict[str, pa.Array]:
        """All fields of one batch in order of first appearance; null where a row has none."""
        batch = self._batches[batch_idx]
        return {
            name: batch[name].cast(_stored(kind), safe=False) if name in batch else pa.nulls(num_rows, _stored(kind))
            for name, (kind, _) in self._kinds.items()
        }

    def _settle(self, name: str, value: FieldValue, entry: FileEntry) -> None:
        kind = _kind(value)
        known = self._kinds.get(name)
        if known is None:
            try:
                check_column_name(name)
            except InvalidInput as error:
                raise InvalidInput(error.message, file=entry.media.name) from None
            taken = next((other for other in self._kinds if other.lower() == name.lower()), None)
            if taken is not None:
                raise InvalidInput(
                    f"field {name!r} differs from field {taken!r} only in upper and lower case; rename one",
                    file=entry.media.name,
                )
            self._kinds[name] = (kind, entry.media.name)
            return
        if kind == known[0]:
            return
        common = _common(known[0], kind)
        if common is None:
            raise InvalidInput(
                f"field {name!r} is {_stored(kind)} for {entry.path} but {_stored(known[0])} for {known[1]}; "
                "give it one type",
                file=entry.media.name,
            )
        if common != known[0]:
            self._kinds[name] = (common, entry.media.name)


def _read(entry: FileEntry) -> bytes:
    size = entry.media.size
    data = b"" if size is not None and size > MAX_SIDECAR_BYTES else entry.media.load()
    if len(data) > MAX_SIDECAR_BYTES or (size is not None and size > MAX_SIDECAR_BYTES):
        raise InvalidInput(
            f"has {max(size or 0, len(data)):,} bytes; the limit beside a media file is {MAX_SIDECAR_BYTES:,}",
            file=entry.media.name,
        )
    return data


def _plain(value: object) -> FieldValue:
    if value is None or isinstance(value, (str, bool, float)):
        return value
    if isinstance(value, int) and _INT64_MIN <= value <= _INT64_MAX:
        return value
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return value
        if all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in value):
            if all(isinstance(item, int) and _INT64_MIN <= item <= _INT64_MAX for item in value):
                return value
            return [float(item) for item in value]
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _kind(value: FieldValue) -> pa.DataType:
    if value is None:
        return pa.null()
    if isinstance(value, str):
        return pa.string()
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int):
        return pa.int64()
    if isinstance(value, float):
        return pa.float64()
    return pa.list_(_kind(value[0]) if value else pa.null())


def _common(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """The type that holds values of both, None if there is none."""
    if first == second or pa.types.is_null(second):
        return first
    if pa.types.is_null(first):
        return second
    if pa.types.is_list(first) and pa.types.is_list(second):
        item = _common(first.value_type, second.value_type)
        return None if item is None else pa.list_(item)
    if {first, second} == {pa.int64(), pa.float64()}:
        return pa.float64()
    return None


def _stored(kind: pa.DataType) -> pa.DataType:
    """The type of the column: a field that was null or [] everywhere is text."""
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_list(kind) and pa.types.is_null(kind.value_type):
        return pa.list_(pa.string())
    return kind
