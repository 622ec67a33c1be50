"""Puts loaded media into shards, or leaves it where it lies, and writes down the place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from headrace.datasets.columns import LOCATOR_TYPE
from headrace.datasets.media import MediaInput
from headrace.datasets.media_loading import LoadedMedia
from headrace.storage.shards import ShardRecord, ShardWriter

__all__ = ["MediaPlacer"]


class MediaPlacer:
    """Places the media values of one commit, in the order of its rows. Not thread-safe."""

    def __init__(self, shards: ShardWriter) -> None:
        self._shards = shards
        self._num_members = 0
        self.num_bytes = 0  # media bytes placed so far, adopted ones included

    def place(
        self,
        name: str,
        inputs: Sequence[MediaInput | None],
        *,
        values: Sequence[LoadedMedia | None],
        is_only_media: bool,
    ) -> pa.StructArray:
        """Locators of one column, [num_rows]; the bytes of each value are released as soon as they are in a shard.

        Args:
            name: The column; part of the member's name when the rows have several media columns.
            inputs: Where each value came from.
            values: The loaded values.
            is_only_media: Whether this is the rows' only media column.
        """
        shards: list[int | None] = []
        uris: list[str | None] = []
        versions: list[str | None] = []
        offsets: list[int] = []
        for source, value in zip(inputs, values, strict=True):
            shard: int | None = None
            uri: str | None = None
            version: str | None = None
            offset = 0
            if value is not None and source is not None:
                if value.data is not None:
                    extension = value.header.format or _extension(source.name)
                    stem = f"{self._num_members:012d}"
                    member = f"{stem}.{extension}" if is_only_media else f"{stem}.{_ascii(name)}.{extension}"
                    shard, offset = self._shards.add(member, value.data)
                    value.data = None
                    self._num_members += 1
                else:
                    uri, version, offset = source.uri, source.version, source.offset
                self.num_bytes += value.size
            shards.append(shard)
            uris.append(uri)
            versions.append(version)
            offsets.append(offset)
        absent = [value is None for value in values]

        def column(read: Callable[[LoadedMedia], Any], kind: pa.DataType) -> pa.Array:
            return pa.array([None if value is None else read(value) for value in values], kind)

        return pa.StructArray.from_arrays(
            [
                pa.array(shards, pa.int32()),
                pa.array(uris, pa.string()),
                pa.array(versions, pa.string()),
                pa.array(offsets, pa.int64()),
                column(lambda value: value.size, pa.int64()),
                column(lambda value: value.digest, pa.binary(32)),
                column(lambda value: value.check, pa.binary(16)),
                column(lambda value: value.header.format, pa.string()),
                column(lambda value: value.header.width, pa.int32()),
                column(lambda value: value.header.height, pa.int32()),
                column(lambda value: value.header.duration, pa.float64()),
            ],
            fields=list(LOCATOR_TYPE),
            mask=pa.array(absent) if any(absent) else None,
        )

    def finish(self) -> list[ShardRecord]:
        """Wait until every shard is durable."""
        return self._shards.close()

    def abandon(self) -> None:
        """Stop; what is written stays as unreferenced objects."""
        self._shards.abandon()


def _ascii(name: str) -> str:
    """A column name as part of a member's name."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)[:60]


def _extension(name: str) -> str:
    """Extension for a member without a known format: letters and digits of the source's name, else "bin"."""
    stem, dot, extension = name.rpartition(".")
    if dot and stem and extension.isascii() and extension.isalnum() and len(extension) <= 16:
        return extension.lower()
    return "bin"
