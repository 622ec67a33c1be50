"""Export to Parquet with the media bytes inside, as data frames and engines read it."""

from __future__ import annotations

from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.datasets.exporting import ExportFormat, take_size
from headrace.datasets.views import ViewReader, ViewWriter
from headrace.errors import InvalidInput

__all__ = ["ParquetExport"]

_FILE_BYTES = 512 * 1024 * 1024


class ParquetExport(ExportFormat):
    """Files `part-00000.parquet`, … of about `file_bytes` of uncompressed values, with `_id` and `_digest`."""

    name: ClassVar[str] = "parquet"

    def write(self, reader: ViewReader, writer: ViewWriter, **options: Any) -> None:
        """Write all rows; options: `file_bytes`."""
        file_bytes = take_size(options, "file_bytes", _FILE_BYTES)
        if options:
            raise InvalidInput(f"the parquet export has no option {sorted(options)[0]!r}; it has file_bytes")
        columns = [*reader.schema.names, "_id", "_digest"]
        schema = pa.schema([*reader.schema, pa.field("_id", pa.string()), pa.field("_digest", pa.binary(32))])
        batches = reader.scan(columns=columns, batch_size=256)
        pending = next(batches, None)
        file_idx = 0
        while file_idx == 0 or pending is not None:
            with (
                writer.open(f"part-{file_idx:05d}.parquet") as file,
                pq.ParquetWriter(file, schema, compression="zstd") as out,
            ):
                written = 0
                while pending is not None and written < file_bytes:
                    out.write_batch(pending.cast(schema))
                    written += pending.nbytes
                    pending = next(batches, None)
            file_idx += 1
