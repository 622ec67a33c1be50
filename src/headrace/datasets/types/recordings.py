"""What VIDEO and AUDIO have in common: a recording a row, everything else in further columns."""

from __future__ import annotations

import pyarrow as pa

from headrace.datasets.columns import media_kind
from headrace.datasets.types.base import media_field, refuse_declared
from headrace.datasets.types.media_samples import MediaSampleType
from headrace.datasets.types.quoted_csv import quoted_row
from headrace.datasets.types.view_names import UniqueNames
from headrace.datasets.types.view_values import view_text
from headrace.datasets.views import ViewReader, ViewWriter

__all__ = ["RecordingType"]


class RecordingType(MediaSampleType):
    """Rows of `id` and a recording; `.txt` beside a file becomes the column `text`, `.json` fields columns.

    The view is `index.csv` (header `file_name,id` and the further columns, lists and structs as JSON, null as an
    empty field) and the recordings in `examples/`.
    """

    def training_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """`file_name` and `id`, strings, and the recording."""
        refuse_declared(self, declared)
        return pa.schema(
            [
                pa.field("file_name", pa.string(), nullable=False),
                pa.field("id", pa.string(), nullable=False),
                media_field(self.rules.media_column, self.rules.kind),
            ]
        )

    def layouts(self) -> str:
        """What a folder looks like."""
        return f"{self.rules.kind} files ({', '.join(sorted(self.rules.media_suffixes))}), one sample a file"

    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        """Write `examples/` and `index.csv`."""
        names = UniqueNames()
        further = [
            field.name
            for field in reader.schema
            if field.name not in ("id", self.rules.media_column)
            and not field.name.startswith("_")
            and media_kind(field) is None
        ]
        with writer.open("index.csv") as index:
            index.write(quoted_row(("file_name", "id", *further)).encode())
            for batch in reader.scan(columns=["id", self.rules.media_column, *further], batch_size=8):
                recordings = batch.column(self.rules.media_column)
                columns = [batch.column(name).to_pylist() for name in further]
                for row_idx, sample_id in enumerate(batch.column("id").to_pylist()):
                    content: bytes = recordings[row_idx].as_py()
                    name = f"examples/{names.name_for(sample_id, content)}"
                    with writer.open(name) as file:
                        file.write(content)
                    values = [view_text(column[row_idx]) for column in columns]
                    index.write(quoted_row((name, sample_id, *values)).encode())
