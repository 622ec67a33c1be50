"""Rows dealt to one file for each partition, a batch at a time; read back partition by partition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from headrace.storage.arrow_values import row_numbers

__all__ = ["KeyFiles"]

_MOST_OPEN = 256


class KeyFiles:
    """Arrow files in a folder of the caller's; a context that closes them. Not thread-safe."""

    def __init__(self, folder: Path, num_partitions: int) -> None:
        self._folder = folder
        self._num_partitions = min(num_partitions, _MOST_OPEN)  # each has an open file
        self._open = ExitStack()
        self._writers: dict[int, pa.ipc.RecordBatchFileWriter] = {}

    def __enter__(self) -> KeyFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, table: pa.Table, partitions: NDArray[np.int64]) -> None:
        """Deal rows; `partitions`: [num_rows], from 0."""
        partitions = partitions % self._num_partitions
        order = np.argsort(partitions, kind="stable")  # [num_rows]
        counts = np.bincount(partitions, minlength=self._num_partitions)  # [num_partitions]
        table = table.take(row_numbers(order))
        row_start = 0
        for partition, count in enumerate(counts.tolist()):
            if count:
                self._writer(partition, table.schema).write_table(table.slice(row_start, count).combine_chunks())
            row_start += count

    def tables(self) -> Iterator[pa.Table]:
        """The rows of each partition that has any."""
        self._open.close()
        for partition in sorted(self._writers):
            with pa.OSFile(str(self._path(partition))) as source:
                yield pa.ipc.open_file(source).read_all()

    def _writer(self, partition: int, schema: pa.Schema) -> pa.ipc.RecordBatchFileWriter:
        if partition not in self._writers:
            sink = self._open.enter_context(pa.OSFile(str(self._path(partition)), "wb"))
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writers[partition] = self._open.enter_context(pa.ipc.new_file(sink, schema, options=options))
        return self._writers[partition]

    def _path(self, partition: int) -> Path:
        return self._folder / f"partition-{partition}.arrow"
