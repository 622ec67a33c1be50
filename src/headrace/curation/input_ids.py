"""What an operator sees of a row, as 16 bytes: the name under which its result is kept and found again.

Media counts by its digest, so the same photo is measured once, whatever folder, tar or Parquet file it lies in. Names
of columns do not count.
"""

from __future__ import annotations

from collections.abc import Sequence

import blake3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.datasets.columns import MEDIA_VIEW_TYPE
from headrace.datasets.row_digests import encode_media, encode_values

__all__ = ["ID_BYTES", "id_array", "input_ids"]

ID_BYTES = 16


def input_ids(columns: Sequence[pa.ChunkedArray], *, num_rows: int) -> NDArray[np.bytes_]:
    """One id for each row, bytes [num_rows] of `ID_BYTES`; rows with equal values have equal ids.

    Args:
        columns: What the operator reads, in the order of its parameters, each [num_rows].
    """
    encoded = [_encoded(f"{idx:04d}", column) for idx, column in enumerate(columns)]
    hasher = blake3.blake3
    whole = encoded[0] if len(encoded) == 1 else map(b"".join, zip(*encoded, strict=True))
    ids = b"".join([hasher(value).digest(ID_BYTES) for value in whole])
    return np.frombuffer(ids, dtype=f"S{ID_BYTES}", count=num_rows)


def id_array(
    ids: NDArray[np.bytes_],  # [num_rows]
) -> pa.Array:
    """The ids as an Arrow column, binary of `ID_BYTES`."""
    buffer = pa.py_buffer(np.ascontiguousarray(ids).tobytes())
    return pa.Array.from_buffers(pa.binary(ID_BYTES), len(ids), [None, buffer])


def _encoded(name: str, column: pa.ChunkedArray) -> list[bytes]:
    values = column.combine_chunks()
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    if pa.types.is_struct(values.type) and values.type == MEDIA_VIEW_TYPE:
        return encode_media(name, digests=_digests(pc.struct_field(values, "digest")))
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return encode_values(name, values=values)


def _digests(values: pa.Array) -> Sequence[bytes | None]:
    """[num_rows]; Arrow's own conversion takes longer than hashing them."""
    if values.null_count:
        found: list[bytes | None] = values.to_pylist()
        return found
    size = values.type.byte_width
    data = memoryview(values.buffers()[1])[values.offset * size : (values.offset + len(values)) * size].tobytes()
    return [data[start : start + size] for start in range(0, len(data), size)]
