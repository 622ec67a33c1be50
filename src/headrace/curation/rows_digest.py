"""A digest of rows that depends on their values, types and order alone: not on files, slices, libraries or machines."""

from __future__ import annotations

from typing import Any

import blake3
import numpy as np
import pyarrow as pa

__all__ = ["rows_digest"]


def rows_digest(table: pa.Table) -> str:
    """BLAKE3 hex over the columns one after another. Types are told apart by the caller, who knows the schema.

    What lies under a null does not count. Floats count by their bits: -0.0 is not 0.0, and a NaN equals itself.
    """
    hasher = blake3.blake3()
    for column in table.columns:
        values = column.combine_chunks()
        for chunk in values.chunks if isinstance(values, pa.ChunkedArray) else (values,):
            _feed(hasher, chunk)
    return str(hasher.hexdigest())


def _feed(hasher: Any, values: pa.Array) -> None:
    kind = values.type
    if pa.types.is_dictionary(kind):
        _feed(hasher, values.dictionary_decode())
        return
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        _feed(hasher, values.cast(pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()))
        return
    if isinstance(kind, pa.BaseExtensionType):
        _feed(hasher, values.storage)
        return
    hasher.update(len(values).to_bytes(8, "little"))
    if pa.types.is_null(kind):
        return
    hasher.update(values.null_count.to_bytes(8, "little"))
    if values.null_count:
        hasher.update(np.packbits(values.is_valid().to_numpy(zero_copy_only=False)).tobytes())
        values = values.drop_null()
    if pa.types.is_struct(kind):
        for child in values.flatten():
            _feed(hasher, child)
    elif pa.types.is_map(kind):
        lengths, first, end = _lengths(values.offsets)
        hasher.update(lengths)
        _feed(hasher, values.keys[first:end])
        _feed(hasher, values.items[first:end])
    elif pa.types.is_fixed_size_list(kind):
        _feed(hasher, values.flatten())
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        hasher.update(_lengths(values.offsets)[0])
        _feed(hasher, values.flatten())
    elif pa.types.is_boolean(kind):
        hasher.update(np.packbits(values.to_numpy(zero_copy_only=False)).tobytes())
    elif _has_bytes(kind):
        _feed_bytes(hasher, values)
    else:
        width = kind.byte_width
        start = values.offset * width
        hasher.update(_buffer(values, 1)[start : start + len(values) * width])


def _feed_bytes(hasher: Any, values: pa.Array) -> None:
    is_large = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    offsets = np.frombuffer(_buffer(values, 1), dtype=np.int64 if is_large else np.int32)
    lengths, first, end = _lengths(pa.array(offsets[values.offset : values.offset + len(values) + 1]))
    hasher.update(lengths)
    hasher.update(_buffer(values, 2)[first:end])


def _lengths(offsets: pa.Array) -> tuple[bytes, int, int]:  # [num_values + 1]
    """Lengths as 64-bit numbers, and where the values begin and end."""
    bounds = offsets.to_numpy().astype(np.int64)
    if not len(bounds):
        return b"", 0, 0
    return np.diff(bounds).tobytes(), int(bounds[0]), int(bounds[-1])


def _buffer(values: pa.Array, idx: int) -> memoryview:
    buffer = values.buffers()[idx]
    return memoryview(b"") if buffer is None else memoryview(buffer).cast("B")


def _has_bytes(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)
