"""IMAGE_CLASS: images with one label each."""

from __future__ import annotations

import io
from typing import ClassVar

import pyarrow as pa

from headrace.datasets.batches import FileEntry
from headrace.datasets.types.base import media_field, refuse_declared
from headrace.datasets.types.label_ids import LabelIds
from headrace.datasets.types.media_files import IMAGE_SUFFIXES, SortedFiles
from headrace.datasets.types.media_samples import MediaSampleType
from headrace.datasets.types.quoted_csv import quoted_row
from headrace.datasets.types.sample_rules import SampleRules
from headrace.datasets.types.view_names import UniqueNames
from headrace.datasets.types.view_zip import ViewZip
from headrace.datasets.views import ViewReader, ViewWriter
from headrace.errors import InvalidInput

__all__ = ["ImageClass"]


class ImageClass(MediaSampleType):
    """Rows of `id`, `image` and `label`.

    Handed in as a folder or archive of `<label>/<image>`, exactly one level deep; with an index file at the root;
    with small files beside the images (`.cls`, or `.json` with a field `label`); or as a table.

    The view is one archive, `examples.zip`: `examples.csv` (`"filename","id"`), `labels.csv` (`"id","label"`) and
    the images in `examples/`, all stored without compression.
    """

    name: ClassVar[str] = "IMAGE_CLASS"
    label_column: ClassVar[str | None] = "label"
    rules: ClassVar[SampleRules] = SampleRules(
        "image",
        "image",
        IMAGE_SUFFIXES,
        value_column="label",
        value_sidecars=(".cls",),
        allows_empty_value=False,
        text_sidecars={".txt": "text"},
    )

    def training_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """`filename` string, `id` of the label from 1, `image`."""
        refuse_declared(self, declared)
        return pa.schema(
            [
                pa.field("filename", pa.string(), nullable=False),
                pa.field("id", pa.int64(), nullable=False),
                media_field("image", "image"),
            ]
        )

    def layouts(self) -> str:
        """The two layouts of a folder."""
        return "<label>/<image>, one folder a label, or an index at the root (index.csv with columns filename,label)"

    def value_from_path(self, entry: FileEntry) -> str | None:
        """The folder around the image."""
        path = entry.path
        first = path.find("/")
        if first < 0:
            return None
        if path.find("/", first + 1) >= 0:
            raise InvalidInput(
                f"lies {path.count('/')} folders deep; expected {self.layouts()}; pack the folder that holds the label "
                "folders, not one above it",
                file=entry.media.name,
            )
        return path[:first]

    def check_files(self, files: SortedFiles, *, place: str) -> None:
        """Refuse a flat folder without labels, whatever is to be done with invalid rows."""
        if files.media and not files.sidecars and not any("/" in entry.path for entry in files.media):
            raise InvalidInput(
                f"the images lie side by side (first: {files.media[0].path}), so nothing says what they show; "
                f"expected {self.layouts()}",
                file=place,
            )

    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        """Write `examples.zip`."""
        names, label_ids, examples = UniqueNames(), LabelIds(), io.StringIO()
        with writer.open("examples.zip") as file, ViewZip(file) as archive:
            for batch in reader.scan(columns=["id", "image", "label"], batch_size=64):
                labels = batch.column("label").to_pylist()
                images = batch.column("image")
                for row_idx, (sample_id, label) in enumerate(zip(batch.column("id").to_pylist(), labels)):
                    image: bytes = images[row_idx].as_py()
                    name = names.name_for(sample_id, image)
                    archive.add(f"examples/{name}", image)
                    examples.write(quoted_row((name, label_ids[label])))
            archive.add("examples.csv", examples.getvalue().encode())
            archive.add("labels.csv", label_ids.to_csv())
