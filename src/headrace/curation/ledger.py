"""What is known of each input of one operator: done with its values, dropped, or failed, and why.

A ledger is a set of immutable blocks, each claimed once under a name that says which inputs it is about; whoever
computes the same inputs, on whatever machine, finds the block there. What is still to do is what no block knows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import blake3
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.curation.input_ids import ID_BYTES
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.replaced_media import PLACE_TYPE, place_column, view_column
from headrace.datasets.columns import MEDIA_VIEW_TYPE
from headrace.errors import DataCorrupted, NotFound
from headrace.storage.digests import DIGEST_BYTES, digest_of
from headrace.storage.fan_out import in_order
from headrace.storage.store import ObjectStore

__all__ = ["DONE", "DROPPED", "FAILED", "Ledger", "block_schema", "replaced_shards"]

DONE: Final = 0
DROPPED: Final = 1
FAILED: Final = 2

_RECORD = pa.schema(
    [
        pa.field("_input", pa.binary(ID_BYTES)),
        pa.field("_state", pa.int8()),
        pa.field("_attempt", pa.int16()),  # from 1; the highest counts
        pa.field("_class", pa.string()),  # of the error of a failed row
        pa.field("_reason", pa.string()),  # of a dropped or failed row
        pa.field("_value", pa.string()),  # what was measured of a dropped row
        pa.field("_threshold", pa.string()),
    ]
)


def block_schema(spec: OperatorSpec) -> pa.Schema:
    """Columns of a block: the record, the operator's outputs, and of media that it writes anew what and where it is."""
    outputs = [pa.field(name, kind) for name, kind in spec.outputs.items()]
    places = [pa.field(place_column(name), PLACE_TYPE) for name in spec.replaces]
    views = [pa.field(view_column(name), MEDIA_VIEW_TYPE) for name in spec.replaces]
    return pa.schema([*_RECORD, *outputs, *places, *views])


@dataclass(frozen=True, slots=True)
class _Known:
    """All blocks together, one row for each input."""

    ids: NDArray[np.bytes_]  # [num_inputs], ascending
    starts: NDArray[np.uint64]  # [num_inputs], their first 8 bytes: numbers are searched ten times as fast as texts
    table: pa.Table  # [num_inputs]


class Ledger:
    """The blocks of one operator, one version of its code, one set of settings. Not thread-safe."""

    def __init__(
        self,
        store: ObjectStore,
        base: str,
        *,
        schema: pa.Schema,
        read_also: Sequence[str] = (),
        columns: Collection[str] | None = None,
    ) -> None:
        """
        Args:
            base: Where blocks are written; ends with a slash.
            schema: That of `block_schema`.
            read_also: Other bases whose blocks count as well.
            columns: Outputs that `table` needs beside input, state and attempt, for those who only look; None: all.
        """
        self._store = store
        self._base = base
        self._read = (base, *read_also)
        read = schema.names if columns is None else ["_input", "_state", "_attempt", *columns]
        self._schema = pa.schema([field for field in schema if field.name in read])
        self._options = pa.ipc.IpcReadOptions(
            included_fields=None if columns is None else [schema.get_field_index(name) for name in self._schema.names]
        )
        self._blocks: dict[str, pa.Table] = {}
        self._known: _Known | None = None

    def refresh(self) -> None:
        """Take in blocks that came since.

        Raises:
            DataCorrupted: A block is not what was written.
        """
        stats = (stat for base in self._read for stat in self._store.list(base))
        keys = [stat.key for stat in stats if stat.key.endswith(".block")]
        new = [key for key in keys if key not in self._blocks]
        for key, data in zip(new, in_order(self._store, self._data, new), strict=True):
            if data is not None:
                self._blocks[key] = self._decoded(key, data)
        if new or self._known is None:
            self._known = self._merged()

    def places(
        self,
        ids: NDArray[np.bytes_],  # [num_rows]
    ) -> NDArray[np.int64]:
        """Where each input stands in `table`, [num_rows]; -1 where it is still to do."""
        known = self._all()
        if not len(known.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        starts = _starts_of(ids)
        order = np.argsort(starts)  # neighbours are found in memory that is near
        places = np.empty(len(ids), dtype=np.int64)
        places[order] = np.searchsorted(known.starts, starts[order])
        places = np.minimum(places, len(known.ids) - 1)
        is_known = known.ids[places] == ids
        twins = np.flatnonzero(~is_known & (known.starts[places] == starts))  # of which only the first 8 bytes agree
        if len(twins):
            places[twins] = np.minimum(np.searchsorted(known.ids, ids[twins]), len(known.ids) - 1)
            is_known[twins] = known.ids[places[twins]] == ids[twins]
        return np.where(is_known, places, -1)

    @property
    def table(self) -> pa.Table:
        """One row for each input that is known, [num_inputs]."""
        return self._all().table

    def put(self, block: pa.Table) -> None:
        """Claim the block for its inputs; where somebody else did, theirs counts."""
        key = f"{self._base}{_block_name(block)}.block"
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, block.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(block)
        body = sink.getvalue().to_pybytes()
        self._store.put_new(key, digest_of(body) + body)

    def has_block(
        self,
        ids: NDArray[np.bytes_],  # [num_rows]
        *,
        attempt: int,
    ) -> bool:
        """Whether somebody has put the block about exactly these inputs meanwhile; `places` does not know it then."""
        return self._store.stat(f"{self._base}{_name_of(ids, attempt)}.block") is not None

    def _data(self, key: str) -> bytes | None:
        """None: it was purged since it was listed."""
        try:
            return self._store.get(key)
        except NotFound:
            return None

    def _all(self) -> _Known:
        if self._known is None:
            self.refresh()
        if self._known is None:
            raise AssertionError("refresh gives one")
        return self._known

    def _decoded(self, key: str, data: bytes) -> pa.Table:
        name = f"{self._store.uri}/{key}"
        if digest_of(memoryview(data)[DIGEST_BYTES:]) != data[:DIGEST_BYTES]:
            raise DataCorrupted(f"{name} is not what was written; delete it, and its rows are computed anew")
        table = pa.ipc.open_file(pa.py_buffer(data).slice(DIGEST_BYTES), options=self._options).read_all()
        return table if table.schema == self._schema else table.cast(self._schema)

    def _merged(self) -> _Known:
        tables = [self._blocks[key] for key in sorted(self._blocks)]
        table = pa.concat_tables(tables) if tables else self._schema.empty_table()
        table = table.combine_chunks()
        ids = _ids_of(table.column("_input"))
        attempts = table.column("_attempt").to_numpy()
        order = np.lexsort((attempts, ids)) if (attempts != 1).any() else _order_of(ids)
        ids = ids[order]
        is_last = np.ones(len(ids), dtype=bool)
        is_last[:-1] = ids[1:] != ids[:-1]
        ids = ids[is_last]
        return _Known(ids, _starts_of(ids), table.take(pa.array(order[is_last])))


def replaced_shards(store: ObjectStore, base: str) -> set[str]:
    """Digests of the shards with media that the operator of a ledger wrote anew; `base` is the ledger's.

    Raises:
        DataCorrupted: A block cannot be read.
    """
    found: set[str] = set()
    for stat in store.list(base):
        if not stat.key.endswith(".block"):
            continue
        try:
            blocks = pa.ipc.open_file(pa.py_buffer(store.get(stat.key)).slice(DIGEST_BYTES))
            names = [name for name in blocks.schema.names if name.startswith(place_column(""))]
            if not names:
                return set()  # all blocks of a ledger have the same columns
            table = blocks.read_all()
        except pa.ArrowException as error:
            raise DataCorrupted(f"{store.uri}/{stat.key} is not what was written; delete it") from error
        found.update(place["shard"] for name in names for place in table.column(name).drop_null().to_pylist())
    return found


def _block_name(block: pa.Table) -> str:
    attempts: Sequence[int] = sorted(set(block.column("_attempt").to_pylist()))
    return _name_of(_ids_of(block.column("_input")), max(attempts, default=1))


def _name_of(
    ids: NDArray[np.bytes_],  # [num_rows]
    attempt: int,
) -> str:
    """Which inputs it is about, and at which attempt."""
    return f"{blake3.blake3(np.sort(ids).tobytes()).hexdigest(length=20)}-{attempt}"


def _order_of(
    ids: NDArray[np.bytes_],  # [num_inputs]
) -> NDArray[np.int64]:  # [num_inputs]
    """An order in which they ascend, equal ones as they come. Numbers are sorted three times as fast as texts."""
    starts = _starts_of(ids)
    order = np.argsort(starts, kind="stable")
    has_twins = (starts[order][1:] == starts[order][:-1]) & (ids[order][1:] != ids[order][:-1])
    return np.argsort(ids, kind="stable") if has_twins.any() else order


def _starts_of(
    ids: NDArray[np.bytes_],  # [num_inputs]
) -> NDArray[np.uint64]:  # [num_inputs]
    return np.ascontiguousarray(ids).view(">u8")[::2].astype(np.uint64)


def _ids_of(column: pa.ChunkedArray) -> NDArray[np.bytes_]:
    data = b"".join(_bytes_of(chunk) for chunk in column.chunks)
    return np.frombuffer(data, dtype=f"S{ID_BYTES}")


def _bytes_of(chunk: pa.Array) -> bytes:
    start = chunk.offset * ID_BYTES
    return memoryview(chunk.buffers()[1])[start : start + len(chunk) * ID_BYTES].tobytes()
