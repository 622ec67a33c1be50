"""Puts loaded media into shards, or leaves it where it lies, and writes down the place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from headrace.datasets.columns import CELL_LOCATOR_TYPE, LOCATOR_TYPE
from headrace.datasets.media import MediaHeader, ParquetCell
from headrace.datasets.media_loading import LoadedMedia
from headrace.storage.locations import Locations
from headrace.storage.shards import ShardRecord, ShardWriter

__all__ = ["Locator", "MediaPlacer", "locator_array"]

Locator = tuple[
    int | tuple[str | None, str | None, ParquetCell | None],  # shard; of an adopted value URI, version and cell
    int | None,  # offset; None where there is a cell
    int,  # size
    bytes,  # BLAKE3
    bytes,  # XXH3-128
    MediaHeader,
]
"""One value of a media column. A commit copies all its values or adopts all of them."""


class MediaPlacer:
    """Places the media values of one commit. Not thread-safe."""

    def __init__(self, shards: ShardWriter, *, locations: Locations) -> None:
        self._shards = shards
        self._locations = locations
        self._num_members = 0
        self.num_bytes = 0  # media bytes placed so far, adopted ones included

    def pack(self, value: LoadedMedia, *, column: str | None) -> Locator:
        """Copy the value into a shard; where rows have several media columns, `column` is part of the member's name."""
        header = value.header
        extension = header.format or _extension(value.source.name)
        infix = "" if column is None else f".{_ascii(column)}"
        size = len(value.data)
        shard, offset = self._shards.add(f"{self._num_members:012d}{infix}.{extension}", value.data)
        self._num_members += 1
        self.num_bytes += size
        return shard, offset, size, value.digest, value.check, header

    def adopt(self, value: LoadedMedia) -> Locator:
        """Leave the value where it lies, pinned to the version that it has now."""
        source = value.source
        version = source.version
        if version is None and source.uri is not None:  # named in a table's cell, where nobody has asked for it yet
            store, key = self._locations.open(source.uri)
            stat = store.stat(key)
            version = None if stat is None else stat.version
        size = len(value.data) if source.indexed is None else source.size or 0
        self.num_bytes += size
        offset = source.offset if source.cell is None else None
        return (source.uri, version, source.cell), offset, size, value.digest, value.check, value.header

    def flush(self) -> None:
        """Start to write what is in memory; does not wait."""
        self._shards.flush()

    def finish(self) -> list[ShardRecord]:
        """Wait until every shard is durable."""
        return self._shards.close()

    def abandon(self) -> None:
        """Stop; what is written stays as unreferenced objects."""
        self._shards.abandon()


def locator_array(locators: Sequence[Locator | None]) -> pa.StructArray:
    """A media column as it is stored, [num_rows]."""
    known = [locator for locator in locators if locator is not None]
    if not known:
        return pa.nulls(len(locators), LOCATOR_TYPE)
    # Field by field, [num_known] each.
    containers, offsets, sizes, digests, checks, headers = zip(*known, strict=True)
    formats, widths, heights, durations = zip(*headers, strict=True)
    nothing = (None,) * len(known)
    shards, uris, versions, cells = containers, nothing, nothing, nothing
    if not isinstance(containers[0], int):
        shards, (uris, versions, cells) = nothing, zip(*containers, strict=True)
    kind = LOCATOR_TYPE if cells.count(None) == len(cells) else CELL_LOCATOR_TYPE
    arrays = [
        _joined(values, field.type) if field.name in ("digest", "check") else pa.array(values, field.type)
        for values, field in zip(
            (shards, uris, versions, offsets, sizes, digests, checks, formats, widths, heights, durations),
            LOCATOR_TYPE,
            strict=True,
        )
    ]
    if kind is CELL_LOCATOR_TYPE:
        arrays.append(_cell_array(cells))
    places = pa.StructArray.from_arrays(arrays, fields=list(kind))
    if len(known) == len(locators):
        return places
    is_known = np.array([locator is not None for locator in locators])  # [num_rows]
    return places.take(pa.array(np.cumsum(is_known) - 1, mask=~is_known))


def _cell_array(cells: Sequence[ParquetCell | None]) -> pa.StructArray:
    kind = CELL_LOCATOR_TYPE.field("cell").type
    values = [
        pa.array([None if cell is None else getattr(cell, field.name) for cell in cells], field.type) for field in kind
    ]
    return pa.StructArray.from_arrays(values, fields=list(kind), mask=pa.array([cell is None for cell in cells]))


def _joined(values: Sequence[bytes], kind: pa.DataType) -> pa.Array:
    """Values of a fixed length as an array over their bytes."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(b"".join(values))])


def _ascii(name: str) -> str:
    """A column name as part of a member's name."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)[:60]


def _extension(name: str) -> str:
    """Extension for a member without a known format: letters and digits of the source's name, else "bin"."""
    stem, dot, extension = name.rpartition(".")
    if dot and stem and extension.isascii() and extension.isalnum() and len(extension) <= 16:
        return extension.lower()
    return "bin"
