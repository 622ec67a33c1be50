"""What lies where in a Parquet file with media bytes that is adopted: found by decoding it once."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.datasets.indexed_cells import FoundCell, found_cells
from headrace.datasets.kept_indexes import changed_meanwhile, ipc_bytes
from headrace.datasets.media import IndexedMedia, MediaHeader, MediaProbe
from headrace.datasets.sources.parquet_table import ParquetReading
from headrace.datasets.sources.system_columns import without_system_columns
from headrace.datasets.sources.table_file import TableFile
from headrace.datasets.types.carried_columns import array_of
from headrace.errors import InvalidInput
from headrace.storage.containers import Container, LocalContainer
from headrace.storage.digests import check_of, digest_hex, digest_of
from headrace.storage.front_reading import open_front

__all__ = ["ParquetIndex", "ParquetIndexer", "leaf_of_bytes"]

_FORMAT = 1
_DIGEST_KEY = b"file"
_BATCH_ROWS = 1024
_BATCH_BYTES = 32 << 20
_BUFFER_BYTES = 4 << 20  # of each column chunk; a row group may be as large as its file
_SPOOLED_BYTES = 64 << 20  # larger objects pass through a temporary file


def leaf_of_bytes(field: pa.Field) -> str | None:
    """The path of the leaf column that holds a media column's bytes, None if it is no column of bytes.

    Either the column itself, or the `bytes` of {bytes, path} pairs, the form in which Hugging Face stores media.
    """
    kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    if pa.types.is_struct(kind):
        pairs = {item.name: item.type for item in kind}
        is_pair = "bytes" in pairs and set(pairs) <= {"bytes", "path"} and _is_bytes(pairs["bytes"])
        return f"{field.name}.bytes" if is_pair else None
    return field.name if _is_bytes(kind) else None


@dataclass(frozen=True, slots=True)
class ParquetIndex:
    """All rows of one file without media bytes, and the BLAKE3 hex of the whole file."""

    table: pa.Table
    digest: str

    def encoded(self) -> bytes:
        """A byte form."""
        return ipc_bytes(self.table.replace_schema_metadata({_DIGEST_KEY: self.digest}))


@dataclass(frozen=True, slots=True)
class ParquetIndexer:
    """Reads one file: each media value is hashed and its header checked, each other column kept as it is."""

    probes: Mapping[str, MediaProbe | None]  # by media column
    spooled_bytes: int = _SPOOLED_BYTES

    def name(self, container: Container) -> str:
        """What names the index of a file in exactly this version, made in exactly this way."""
        probes = [f"{name}={'' if probe is None else probe.__qualname__}" for name, probe in self.probes.items()]
        return digest_hex("\0".join(["parquet", str(_FORMAT), container.uri, container.version, *probes]).encode())

    def decode(self, data: bytes) -> ParquetIndex:
        """Read the byte form of an index."""
        table = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
        return ParquetIndex(table.replace_schema_metadata(None), (table.schema.metadata or {})[_DIGEST_KEY].decode())

    def index(self, container: Container) -> ParquetIndex:
        """Read the file; an object in a store by one request, so that all bytes are of one version.

        Raises:
            InvalidInput: It is damaged, or changed since it was listed.
        """
        with _front_read(container, spooled_bytes=self.spooled_bytes) as (file, digest):
            table = self._read(file)
        if isinstance(container, LocalContainer):
            now = LocalContainer(container.path or "", name=container.name).version
            if now != container.version:
                raise changed_meanwhile(container, now)
        return ParquetIndex(table, digest)

    def _read(self, file: TableFile) -> pa.Table:
        batches: list[pa.RecordBatch] = []
        with ParquetReading(file, buffer_bytes=_BUFFER_BYTES) as parquet:
            self._check_names(parquet, file.name)
            for group_idx in range(parquet.num_row_groups):
                group = parquet.metadata.row_group(group_idx)
                row_bytes = max(1, group.total_byte_size // max(1, group.num_rows))
                row_start = 0
                for batch in parquet.iter_batches(
                    batch_size=max(1, min(_BATCH_ROWS, _BATCH_BYTES // row_bytes)), row_groups=[group_idx]
                ):
                    batch = without_system_columns(batch.replace_schema_metadata(None))
                    batches.append(self._without_bytes(batch, group_idx, row_start, file.name))
                    row_start += batch.num_rows
                if row_start != group.num_rows:
                    raise InvalidInput(
                        f"the footer says {group.num_rows:,} rows in row group {group_idx} and {row_start:,} came; "
                        "the file is damaged",
                        file=file.name,
                    )
        return pa.Table.from_batches(batches)

    def _check_names(self, parquet: pq.ParquetFile, name: str) -> None:
        for column in self.probes:
            if column in parquet.schema_arrow.names and f"{column}.bytes" in parquet.schema_arrow.names:
                raise InvalidInput(
                    f"{column!r} cannot be told from the column {column + '.bytes'!r}; rename one", file=name
                )

    def _without_bytes(self, batch: pa.RecordBatch, group_idx: int, row_start: int, name: str) -> pa.RecordBatch:
        columns: dict[str, pa.Array] = {}
        for field, values in zip(batch.schema, batch.columns, strict=True):
            is_media = field.name in self.probes and leaf_of_bytes(field) is not None
            columns[field.name] = self._found(values, field.name, group_idx, row_start, name) if is_media else values
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def _found(self, values: pa.Array, column: str, group_idx: int, row_start: int, name: str) -> pa.StructArray:
        values = array_of(values)
        paths: list[str | None] = [None] * len(values)
        is_null = values.is_null().to_pylist()
        if pa.types.is_struct(values.type):
            fields = dict(zip([item.name for item in values.type], values.flatten(), strict=True))
            paths = fields["path"].to_pylist() if "path" in fields else paths
            values = fields["bytes"]
        probe = self.probes[column]
        cells: list[FoundCell | None] = []
        for row, (content, path) in enumerate(zip(values, paths, strict=True)):
            data: bytes | None = content.as_py()  # one at a time, so that only one is in memory twice
            if is_null[row]:
                cells.append(None)
                continue
            media = None if data is None else _media(data, path or f"{name} [column {column}]", probe)
            cells.append(FoundCell(group_idx, row_start + row, path, 0 if data is None else len(data), media))
        return found_cells(cells)


def _media(data: bytes, name: str, probe: MediaProbe | None) -> IndexedMedia:
    header, refusal = MediaHeader(), None
    if probe is not None:
        try:
            header = probe(data, name)
        except InvalidInput as error:
            refusal = error.message.removeprefix(f"{name}: ")  # the file may be named otherwise next time
    return IndexedMedia(digest_of(data), check_of(data), header, refusal)


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


@contextmanager
def _front_read(container: Container, *, spooled_bytes: int) -> Iterator[tuple[TableFile, str]]:
    """A file that can be read at any place, and its digest; what lies in a store is fetched front to back before."""
    stream = open_front(container)
    if stream.version != container.version:
        raise changed_meanwhile(container, stream.version)
    size = container.size
    if container.path is not None:
        digest = stream.finish()
        _check_size(container, stream.num_bytes)
        yield TableFile(container.name, container.uri, size, container.open, path=container.path), digest
        return
    is_small = size <= spooled_bytes
    with io.BytesIO() if is_small else cast(BinaryIO, tempfile.TemporaryFile(prefix="headrace-")) as spool:
        while piece := stream.read():
            spool.write(piece)
        _check_size(container, stream.num_bytes)
        spool.seek(0)
        yield TableFile(container.name, container.uri, size, partial(_itself, spool)), stream.finish()


def _itself(file: BinaryIO) -> BinaryIO:
    return file


def _check_size(container: Container, num_bytes: int) -> None:
    if num_bytes != container.size:
        raise changed_meanwhile(container, f"{num_bytes} bytes")
