"""A dataset's columns from a JSON file: the form that `headrace dataset show --json` prints under `schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_schema_file"]

_LIMIT_BYTES = 10_000_000
_KEYS = {"name", "type", "nullable", "media"}
_MEDIA = ("image", "video", "audio", "bytes")
_FORM = (
    'expected a list of columns such as [{"name": "id", "type": "string", "nullable": false}, '
    '{"name": "photo", "media": "image"}]'
)


def read_schema_file(path: Path) -> pa.Schema:
    """The Arrow schema of a file.

    A column has a `name`, a `type` (an Arrow name such as "int64" or "string", or one of the objects that
    `dataset show --json` prints) or a `media` kind, and perhaps `nullable` (default true).

    Raises:
        InvalidInput: The file holds something else; names the column.
    """
    import pyarrow as pa

    from headrace.datasets.columns import check_columns, media_field, type_from_json

    fields: list[pa.Field] = []
    for idx, column in enumerate(_columns(path)):
        name = column.get("name")
        place = name if isinstance(name, str) and name else idx + 1
        unknown = sorted(column.keys() - _KEYS)
        if unknown or not isinstance(name, str) or not name:
            problem = f"has the unknown key {unknown[0]!r}" if unknown else "has no name"
            raise InvalidInput(f"the column {problem}; {_FORM}", file=str(path), column=place)
        nullable = column.get("nullable", True)
        if not isinstance(nullable, bool):
            raise InvalidInput(f"nullable is {nullable!r}: expected true or false", file=str(path), column=place)
        if "media" in column:
            kind = column["media"]
            if kind not in _MEDIA:
                raise InvalidInput(f"media is {kind!r}: expected one of {_MEDIA}", file=str(path), column=place)
            fields.append(media_field(name, str(kind), nullable=nullable))
            continue
        try:
            data_type = type_from_json(column.get("type"))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise InvalidInput(
                f"type is {column.get('type')!r}: expected an Arrow type such as int64, float64, bool, string, "
                'date32, {"timestamp": ["us", "UTC"]} or {"list": "string"}',
                file=str(path),
                column=place,
            ) from error
        fields.append(pa.field(name, data_type, nullable))
    schema = pa.schema(fields)
    check_columns(schema)
    return schema


def _columns(path: Path) -> list[dict[str, object]]:
    with path.open("rb") as file:
        content = file.read(_LIMIT_BYTES + 1)
    if len(content) > _LIMIT_BYTES:
        raise InvalidInput(f"larger than {_LIMIT_BYTES} bytes, which no schema is; {_FORM}", file=str(path))
    try:
        document = json.loads(content)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise InvalidInput(f"no JSON: {error}; {_FORM}", file=str(path), line=line) from error
    if not isinstance(document, list) or not all(isinstance(column, dict) for column in document):
        raise InvalidInput(f"the document has another form; {_FORM}", file=str(path))
    return document
