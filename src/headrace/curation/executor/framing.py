"""Messages between a run and its worker processes: a JSON head and a body, each with its length before it."""

from __future__ import annotations

import json
import os
import struct
from typing import Any

import pyarrow as pa

__all__ = ["read_message", "table_bytes", "table_from_bytes", "write_message"]

_LENGTHS = struct.Struct("<QQ")


def write_message(descriptor: int, head: Any, body: bytes = b"") -> None:
    """Send a message; waits while the pipe is full.

    Raises:
        BrokenPipeError: Nobody reads any more.
    """
    encoded = json.dumps(head).encode()
    # What fits into a pipe at once is written at once: a reader never waits for the other half of a short message.
    for piece in (_LENGTHS.pack(len(encoded), len(body)) + encoded, body):
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view) :]


def read_message(descriptor: int) -> tuple[Any, bytes] | None:
    """The next message; None where the other side is gone, also in the middle of one."""
    lengths = _read_exactly(descriptor, _LENGTHS.size)
    if lengths is None:
        return None
    num_head, num_body = _LENGTHS.unpack(lengths)
    head = _read_exactly(descriptor, num_head)
    body = None if head is None else _read_exactly(descriptor, num_body)
    return None if head is None or body is None else (json.loads(head), body)


def table_bytes(table: pa.Table) -> bytes:
    """A table as a body."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def table_from_bytes(data: bytes) -> pa.Table:
    """What `table_bytes` made."""
    return pa.ipc.open_stream(data).read_all()


def _read_exactly(descriptor: int, num_bytes: int) -> bytes | None:
    data = bytearray()
    while len(data) < num_bytes:
        piece = os.read(descriptor, min(num_bytes - len(data), 1 << 20))
        if not piece:
            return None
        data += piece
    return bytes(data)
