"""Rows as Ray keeps them: Arrow streams in arrays of bytes, which processes of one node share without a copy."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["Block", "block_of", "table_of"]

Block = NDArray[np.uint8]
"""[num_bytes]; without bytes where there are no rows."""


def block_of(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    *,
    compression: str | None = None,
    keeps_empty: bool = False,
) -> Block:
    """A stream of the batches.

    Args:
        keeps_empty: Without rows there are bytes that tell the schema.
    """
    sink = pa.BufferOutputStream()
    num_rows = 0
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        for batch in batches:
            num_rows += batch.num_rows
            writer.write_batch(batch)
    return np.frombuffer(sink.getvalue(), np.uint8) if num_rows or keeps_empty else np.empty(0, np.uint8)


def table_of(blocks: Iterable[Block], schema: pa.Schema) -> pa.Table:
    """The rows of all blocks; they stay where the blocks lie."""
    batches: list[pa.RecordBatch] = []
    for block in blocks:
        if len(block):
            batches += pa.ipc.open_stream(pa.py_buffer(block))
    return pa.Table.from_batches(batches, schema=schema)
