"""Parquet files as rows, row group by row group."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Literal

import blake3
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.datasets.batches import Origin, RowBatch
from headrace.datasets.sources.arrow_table import check_column_names
from headrace.datasets.sources.system_columns import without_system_columns
from headrace.datasets.sources.table_file import TableFile, share_of_bytes
from headrace.errors import HeadraceError, InvalidInput
from headrace.storage.containers import Container, local_error

__all__ = ["ParquetReading", "ParquetTable"]

_BATCH_ROWS = 4096
_BATCH_BYTES = 32 << 20


class ParquetTable:
    """A Parquet file, opened for its footer and read as often as asked; binary columns stay binary."""

    def __init__(
        self, file: TableFile, *, num_rows: int, num_row_groups: int, schema: pa.Schema, row_bytes: int
    ) -> None:
        self.kind: Literal["table"] = "table"
        self.origins: list[Origin] = [file.origin()]
        self.num_rows: int | None = num_rows
        self.num_bytes: int | None = file.size
        self.is_csv = False
        self.schema = schema
        self.num_row_groups = num_row_groups
        self.row_bytes = row_bytes  # as the footer has it: less than in memory where values repeat
        self.file = file
        self._batch_rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, row_bytes)))

    @classmethod
    def open(cls, file: TableFile) -> ParquetTable:
        """Read the footer.

        Raises:
            InvalidInput: No Parquet file, damaged, without rows, or with repeated column names.
        """
        with ParquetReading(file) as parquet:
            metadata = parquet.metadata
            schema = without_system_columns(parquet.schema_arrow.remove_metadata())
            num_rows = metadata.num_rows
            groups = range(metadata.num_row_groups)
            num_bytes = sum(metadata.row_group(idx).total_byte_size for idx in groups)
        check_column_names(schema, name=file.name)
        if num_rows == 0:
            raise InvalidInput("a Parquet file without rows; expected at least one", file=file.name)
        return cls(
            file,
            num_rows=num_rows,
            num_row_groups=len(groups),
            schema=schema,
            row_bytes=num_bytes // num_rows,
        )

    @property
    def container(self) -> Container | None:
        """The file or object that it is as a whole; None for one inside an archive."""
        return self.file.container

    def batches(self) -> Iterator[RowBatch]:
        """As `TableSource.batches`.

        Raises:
            InvalidInput: The file is damaged.
        """
        row_start = 0
        with ParquetReading(self.file) as parquet:
            for table in parquet.iter_batches(batch_size=self._batch_rows):
                if table.num_rows:
                    row_end = row_start + table.num_rows
                    yield RowBatch(
                        _as_rows(table),
                        0,
                        row_start=row_start,
                        num_bytes=share_of_bytes(
                            self.num_bytes or 0, row_start, row_end, num_rows=self.num_rows or row_end
                        ),
                    )
                    row_start = row_end
        self.check_num_rows(row_start)
        hasher = blake3.blake3()
        num_bytes = 0
        with self.file.open() as raw:
            while data := raw.read(1 << 20):
                hasher.update(data)
                num_bytes += len(data)
        self.origins[0] = self.file.origin(hasher.hexdigest(), size=num_bytes)

    def check_num_rows(self, num_rows: int) -> None:
        """Raise `InvalidInput` unless the whole file gave as many rows as its footer says."""
        if num_rows != self.num_rows:
            raise InvalidInput(
                f"the footer says {self.num_rows:,} rows and {num_rows:,} came; the file is damaged",
                file=self.file.name,
            )

    def footer(self) -> pq.FileMetaData:
        """What the end of the file says, read anew.

        Raises:
            InvalidInput: The file is damaged.
        """
        with ParquetReading(self.file) as parquet:
            return parquet.metadata

    def row_group(self, number: int, *, footer: pq.FileMetaData, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows of one row group in the calling thread, which may be one of many.

        Raises:
            InvalidInput: The file is damaged.
        """
        with ParquetReading(self.file, footer=footer) as parquet:
            for table in parquet.iter_batches(batch_size=batch_rows, row_groups=[number], use_threads=False):
                if table.num_rows:
                    yield _as_rows(table)


def _as_rows(table: pa.RecordBatch) -> pa.RecordBatch:
    return without_system_columns(table.replace_schema_metadata(None))


class ParquetReading:
    """A Parquet file while it is open; turns whatever goes wrong inside into an error that names the file."""

    def __init__(self, file: TableFile, *, buffer_bytes: int = 0, footer: pq.FileMetaData | None = None) -> None:
        """`buffer_bytes`: read column chunks in pieces of this size; 0 reads each as a whole. `footer`: if known."""
        self._file = file
        self._buffer_bytes = buffer_bytes
        self._footer = footer
        self._raw: Any = None

    def __enter__(self) -> pq.ParquetFile:
        try:
            if self._file.path is not None:
                self._raw = pa.OSFile(self._file.path, "rb")
            else:
                raw = self._file.open()
                self._raw = (
                    pa.BufferReader(raw.getvalue()) if isinstance(raw, io.BytesIO) else pa.PythonFile(raw, mode="r")
                )
            # Arrow's own way of reading ahead keeps every row group in memory until the last one is read.
            return pq.ParquetFile(self._raw, metadata=self._footer, buffer_size=self._buffer_bytes, pre_buffer=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            self._close()
            raise self._failure(error) from error

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self._close()
        if isinstance(error, (pa.ArrowException, OSError, OverflowError)) and not isinstance(error, HeadraceError):
            raise self._failure(error) from error

    def _close(self) -> None:
        if self._raw is not None:
            self._raw.close()
            self._raw = None

    def _failure(self, error: BaseException) -> HeadraceError:
        if isinstance(error, HeadraceError):
            return error
        if isinstance(error, (PermissionError, FileNotFoundError, IsADirectoryError)):
            return local_error(error, self._file.name)
        reason = str(error).split("\n", 1)[0][:300]
        return InvalidInput(
            f"no readable Parquet file ({reason}); expected an undamaged, unencrypted one", file=self._file.name
        )
