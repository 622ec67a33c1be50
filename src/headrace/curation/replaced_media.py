"""Media that operators wrote anew: packed into tar shards beside the results, found again by locators in the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.columns import MEDIA_VIEW_TYPE
from headrace.datasets.probes.image_header import probe_image
from headrace.errors import DataCorrupted, InvalidInput
from headrace.storage.digests import check_of, digest_of
from headrace.storage.shards import ShardWriter, shard_key
from headrace.storage.store import ObjectStore

__all__ = [
    "AT",
    "PLACE_TYPE",
    "media_view",
    "pack_media",
    "place_column",
    "put_new_media",
    "read_places",
    "view_column",
]

PLACE_TYPE: Final = pa.struct(
    [
        pa.field("shard", pa.string()),  # BLAKE3 hex of the tar
        pa.field("offset", pa.int64()),  # bytes
        pa.field("size", pa.int64()),  # bytes
        pa.field("check", pa.binary(16)),  # XXH3-128
    ]
)
"""Where new bytes lie."""

AT: Final = "_at:"
"""Rows say in the column of this name and the media column's where its bytes lie; null: in the source."""


def place_column(name: str) -> str:
    """Column of a block with the places of an input that was written anew."""
    return f"_place:{name}"


def view_column(name: str) -> str:
    """Column of a block with what the new media is, without bytes."""
    return f"_view:{name}"


def pack_media(
    store: ObjectStore,
    base: str,
    values: Sequence[bytes | None],  # [num_rows]
) -> tuple[pa.Array, pa.Array]:
    """Write the values durably; their places and what they are, [num_rows] each, null where there is none."""
    writer = ShardWriter(store, base)
    found: list[tuple[int, int] | None] = []
    try:
        for idx, value in enumerate(values):
            found.append(None if value is None else writer.add(f"{idx:012d}.bin", value))
        shards = writer.close()
    finally:
        writer.abandon()
    places = [
        None
        if place is None or value is None
        else {"shard": shards[place[0]].digest, "offset": place[1], "size": len(value), "check": check_of(value)}
        for place, value in zip(found, values, strict=True)
    ]
    views = [None if value is None else media_view(value) for value in values]
    return pa.array(places, PLACE_TYPE), pa.array(views, MEDIA_VIEW_TYPE)


def put_new_media(
    columns: dict[str, pa.ChunkedArray | pa.Array], name: str, *, places: pa.Array, views: pa.Array
) -> None:
    """Let a media column of rows speak of what was written anew, where there is any; both [num_rows], as packed."""
    is_new = places.is_valid()
    columns[name] = pc.if_else(is_new, views, columns[name])
    earlier = columns.get(AT + name, pa.nulls(len(places), PLACE_TYPE))
    columns[AT + name] = pc.if_else(is_new, places, earlier)


def media_view(data: bytes) -> dict[str, object]:
    """What a value is: as media columns of rows say it."""
    try:
        header = probe_image(data, "")
    except InvalidInput:  # not an image, or one that nobody can open; later stages will say so
        return {"size": len(data), "digest": digest_of(data)}
    return {
        "size": len(data),
        "format": header.format,
        "width": header.width,
        "height": header.height,
        "duration": header.duration,
        "digest": digest_of(data),
    }


def read_places(store: ObjectStore, base: str, places: pa.Array) -> list[bytes | DataCorrupted | None]:
    """The bytes at each place, [num_rows]; a value that is not what was written comes as its error."""
    values: list[bytes | DataCorrupted | None] = [None] * len(places)
    by_shard: dict[str, list[int]] = {}
    listed = places.to_pylist()
    for idx, place in enumerate(listed):
        if place is not None:
            by_shard.setdefault(place["shard"], []).append(idx)
    for shard, idxs in by_shard.items():
        key = base + shard_key(shard)
        ranges = [(listed[idx]["offset"], listed[idx]["offset"] + listed[idx]["size"]) for idx in idxs]
        for idx, data in zip(idxs, store.get_ranges(key, ranges), strict=True):
            if check_of(data) == listed[idx]["check"]:
                values[idx] = data
            else:
                values[idx] = DataCorrupted(f"{store.uri}/{key} does not hold what an operator wrote; delete it")
    return values
