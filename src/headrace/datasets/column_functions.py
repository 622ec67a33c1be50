"""Values for added columns that a function computes, chunk by chunk; finished chunks survive an interruption.

A chunk is named by what it is made from, so the same rows and the same version of the function find its values again.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import blake3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.datasets.addresses import EMPTY
from headrace.datasets.columns import normal_type
from headrace.datasets.row_digests import encode_values
from headrace.datasets.sidecars import chunks_prefix
from headrace.datasets.sources.system_columns import SYSTEM_COLUMNS
from headrace.datasets.types.carried_columns import array_of
from headrace.errors import InvalidInput, NotFound
from headrace.progress import Progress
from headrace.storage.canonical import canonical_json
from headrace.storage.digests import digest_hex

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.records import CommitRecord
    from headrace.datasets.snapshot import Snapshot

__all__ = ["ColumnFunction", "ComputedChunk"]

ComputedChunk = tuple[np.ndarray, dict[str, pa.Array]]
"""Ordinals of rows of a commit, ascending, [num_rows], and their values by column."""


class ColumnFunction:
    """A function of rows, and the chunks that it finished."""

    def __init__(
        self,
        dataset: Dataset,
        function: Callable[[pa.Table], Any],
        *,
        names: Sequence[str],
        columns: Sequence[str] | None,
        version: str | None,
        chunk_rows: int,
        progress: Progress,
    ) -> None:
        self._dataset = dataset
        self._function = function
        self._names = list(names)
        self._columns = None if columns is None else list(columns)
        self._is_kept = version is not None
        # Without a version nobody can say that a later run calls the same function; this run may, if it must go again.
        self._version = f"run {secrets.token_hex(8)}" if version is None else f"version {version}"
        self._chunk_rows = chunk_rows
        self._progress = progress
        self._prefix = chunks_prefix(dataset.base)
        self._finished: dict[str, str] | None = None  # identities to keys
        self._used: set[str] = set()  # keys
        self.num_found = 0  # rows whose values an earlier run had computed

    @property
    def uri(self) -> str:
        """What the function is called."""
        function: Any = self._function
        name = getattr(function, "__qualname__", type(function).__qualname__)
        return f"function:{getattr(function, '__module__', None) or '?'}.{name}"

    def values(
        self,
        record: CommitRecord,
        ordinals: np.ndarray,  # [num_rows], ascending
    ) -> Iterator[ComputedChunk]:
        """The values of some rows of a commit, in order."""
        stored = None if self._columns is None else [item for item in self._columns if item not in SYSTEM_COLUMNS]
        snapshot = self._dataset.selection_of([record], left_out=EMPTY, columns=stored or None)
        columns = snapshot.schema.names if self._columns is None else self._columns
        kept = snapshot.chosen_rows()[0][1]
        rows = ordinals if kept is None else np.searchsorted(kept, ordinals)
        for start in range(0, len(ordinals), self._chunk_rows):
            end = start
            for run in snapshot.bounded_runs(
                rows[start : start + self._chunk_rows], [item for item in columns if item not in SYSTEM_COLUMNS]
            ):
                begin, end = end, end + len(run)
                yield ordinals[begin:end], self._chunk(snapshot, run, columns)
                self._progress.advance(len(run))

    def forget_chunks(self) -> None:
        """Remove the chunks that were used: what they hold is in parts now."""
        for key in self._used:
            self._dataset.lake.store.delete(key)
        self._used.clear()

    def close(self) -> None:
        """Remove chunks that no later run could find."""
        if not self._is_kept:
            self.forget_chunks()

    def _chunk(self, snapshot: Snapshot, rows: np.ndarray, columns: Sequence[str]) -> dict[str, pa.Array]:
        identity = self._identity(snapshot, rows, columns)
        known = self._read(identity, num_rows=len(rows))
        if known is not None:
            self.num_found += len(rows)
            return known
        table = snapshot.take(rows, columns=columns)
        try:
            result = self._function(table)
            found = self._arrays(result, num_rows=len(rows))
        except Exception as error:
            ids = snapshot.take(rows[[0, -1]], columns=["_id"]).column(0).to_pylist()
            error.add_note(f"while computing {', '.join(self._names)} of the rows {ids[0]!r} to {ids[1]!r}")
            raise
        self._write(identity, found)
        return found

    def _identity(self, snapshot: Snapshot, rows: np.ndarray, columns: Sequence[str]) -> str:
        """BLAKE3 hex of the function's version and of all that it gets."""
        further = [item for item in columns if item in SYSTEM_COLUMNS - {"_digest"} or item in snapshot.added_columns]
        table = snapshot.take(rows, columns=["_digest", *further])
        hasher = blake3.blake3(
            canonical_json({"format": 1, "names": self._names, "columns": list(columns), "version": self._version})
        )
        hasher.update(b"".join(table.column("_digest").to_pylist()))
        for item in further:
            for row, encoded in enumerate(encode_values(item, values=array_of(table.column(item)))):
                hasher.update(row.to_bytes(8, "little") + encoded)
        return str(hasher.hexdigest())

    def _read(self, identity: str, *, num_rows: int) -> dict[str, pa.Array] | None:
        if self._finished is None:
            stats = self._dataset.lake.store.list(self._prefix)
            self._finished = {stat.key.split("/")[-2]: stat.key for stat in stats}
        key = self._finished.get(identity)
        if key is None:
            return None
        try:
            data = self._dataset.lake.store.get(key)
        except NotFound:  # collected since it was listed: computed again
            return None
        if digest_hex(data) != key.split("/")[-1].removesuffix(".parquet"):
            return None  # bit rot: computed again
        self._used.add(key)
        table = pq.read_table(io.BytesIO(data))
        if table.num_rows != num_rows or table.column_names != self._names:
            return None
        return {name: array_of(table.column(name)) for name in self._names}

    def _write(self, identity: str, values: Mapping[str, pa.Array]) -> None:
        sink = io.BytesIO()
        pq.write_table(pa.table(dict(values)), sink, compression="zstd")
        data = sink.getvalue()
        key = f"{self._prefix}{identity}/{digest_hex(data)}.parquet"
        self._dataset.lake.store.put(key, data)
        self._used.add(key)
        if self._finished is not None:
            self._finished[identity] = key

    def _arrays(self, result: Any, *, num_rows: int) -> dict[str, pa.Array]:
        """One array of a stored type for each column."""
        if isinstance(result, (pa.Table, pa.RecordBatch, Mapping)):
            have = result.schema.names if isinstance(result, (pa.Table, pa.RecordBatch)) else list(result)
            missing = [name for name in self._names if name not in have]
            if missing:
                raise InvalidInput(
                    f"the function gave {', '.join(map(str, have)) or 'nothing'}; expected also {missing[0]!r}"
                )
            columns = {
                name: result.column(name) if isinstance(result, (pa.Table, pa.RecordBatch)) else result[name]
                for name in self._names
            }
        elif len(self._names) == 1:
            columns = {self._names[0]: result}
        else:
            raise InvalidInput(
                f"the function gave a {type(result).__name__}; expected a table or dict with {', '.join(self._names)}"
            )
        arrays = {name: _array(name, values) for name, values in columns.items()}
        for name, values in arrays.items():
            if len(values) != num_rows:
                raise InvalidInput(
                    f"the function gave {len(values):,} values for {num_rows:,} rows; expected one each", column=name
                )
        return arrays


def _array(name: str, values: Any) -> pa.Array:
    """Whatever a function gives as one array; rows of a matrix become lists of a fixed size."""
    if hasattr(values, "detach"):  # a tensor, perhaps on an accelerator
        values = values.detach().cpu().numpy()
    try:
        if isinstance(values, np.ndarray) and values.ndim == 2:
            flat = pa.array(np.ascontiguousarray(values).reshape(-1))
            array = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        elif isinstance(values, (pa.Array, pa.ChunkedArray)):
            array = array_of(values)
        else:
            array = array_of(pa.array(values))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InvalidInput(
            f"the function's {type(values).__name__} is no column of values: {error}; expected an Arrow or NumPy array "
            "or a list of values of one type",
            column=name,
        ) from error
    if pa.types.is_null(array.type):
        return array
    target = normal_type(array.type, column=name)
    return array if array.type == target else array.cast(target)
