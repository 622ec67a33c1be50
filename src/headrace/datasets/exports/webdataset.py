"""Export to WebDataset: tar shards in which the files of one sample share a stem.

Layout: https://github.com/webdataset/webdataset, "the WebDataset format": `000000012.jpg`, `000000012.json`.
"""

from __future__ import annotations

import base64
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import orjson

from headrace.datasets.columns import media_kind
from headrace.datasets.exporting import ExportFormat, take_size
from headrace.datasets.views import ViewReader, ViewWriter
from headrace.errors import InvalidInput
from headrace.storage.shards import tar_header

__all__ = ["WebDatasetExport"]

_BLOCK = 512
_SHARD_BYTES = 128 * 1024 * 1024


class WebDatasetExport(ExportFormat):
    """Shards `shard-000000.tar`, … of about `shard_bytes`; one stem a sample.

    A media column becomes `<stem>.<extension>` (`<stem>.<column>.<extension>` where there are several), the
    column `text` also `<stem>.txt`, and all other columns with `_id` and `_digest` one `<stem>.json`.
    """

    name: ClassVar[str] = "webdataset"

    def write(self, reader: ViewReader, writer: ViewWriter, **options: Any) -> None:
        """Write all rows; options: `shard_bytes`."""
        shard_bytes = take_size(options, "shard_bytes", _SHARD_BYTES)
        if options:
            raise InvalidInput(f"the webdataset export has no option {sorted(options)[0]!r}; it has shard_bytes")
        media = [field.name for field in reader.schema if media_kind(field) is not None]
        columns = [*reader.schema.names, "_id", "_digest"]
        samples = (row for batch in reader.scan(columns=columns, batch_size=256) for row in batch.to_pylist())
        pending = next(samples, None)
        shard_idx = 0
        row_idx = 0
        while shard_idx == 0 or pending is not None:
            with writer.open(f"shard-{shard_idx:06d}.tar") as file:
                size = 0
                while pending is not None and (size == 0 or size < shard_bytes):
                    for suffix, data in _members(pending, media):
                        member = tar_header(f"{row_idx:09d}.{suffix}", len(data)) + data + bytes(-len(data) % _BLOCK)
                        file.write(member)
                        size += len(member)
                    row_idx += 1
                    pending = next(samples, None)
                file.write(bytes(2 * _BLOCK))
            shard_idx += 1


def _members(row: dict[str, Any], media: list[str]) -> list[tuple[str, bytes]]:
    members = []
    for name in media:
        data = row.pop(name)
        if data is not None:
            suffix = _suffix(row, data)
            members.append((f"{_plain(name)}.{suffix}" if len(media) > 1 else suffix, data))
    text = row.get("text")
    if isinstance(text, str):
        members.append(("txt", text.encode()))
    row["_digest"] = row["_digest"].hex()
    members.append(("json", orjson.dumps(row, default=_as_json)))
    return members


_SIGNATURES = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"fLaC", "flac"),
    (b"OggS", "ogg"),
    (b"ID3", "mp3"),
    (b"\x1aE\xdf\xa3", "mkv"),
)


def _suffix(row: dict[str, Any], data: bytes) -> str:
    """The extension of the sample's id or name, else what the first bytes say, else "bin"."""
    for column in ("id", "name"):
        value = row.get(column)
        if isinstance(value, str):
            stem, dot, extension = value.rpartition("/")[2].rpartition(".")
            if dot and stem and extension.isascii() and extension.isalnum() and len(extension) <= 16:
                return extension.lower()
    for signature, extension in _SIGNATURES:
        if data.startswith(signature):
            return extension
    if data[:4] == b"RIFF":
        return {b"WEBP": "webp", b"WAVE": "wav"}.get(data[8:12], "bin")
    if data[4:8] == b"ftyp":
        return "mp4"
    return "bin"


def _plain(name: str) -> str:
    return "".join(character if character.isascii() and character.isalnum() else "_" for character in name)[:60]


def _as_json(value: Any) -> Any:
    """Values that JSON has no form for, as text; bytes as base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    raise TypeError(f"no JSON form for {type(value).__name__}")
