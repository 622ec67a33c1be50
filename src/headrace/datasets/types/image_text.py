"""IMAGE_TEXT: images with a text each, such as a caption."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa

from headrace.datasets.types.base import media_field, refuse_declared
from headrace.datasets.types.media_files import IMAGE_SUFFIXES
from headrace.datasets.types.media_samples import MediaSampleType
from headrace.datasets.types.quoted_csv import quoted_row
from headrace.datasets.types.sample_rules import SampleRules
from headrace.datasets.types.view_names import UniqueNames
from headrace.datasets.views import ViewReader, ViewWriter

__all__ = ["ImageText"]


class ImageText(MediaSampleType):
    """Rows of `id`, `image` and `text`.

    Handed in as files that share a stem (`a.jpg` with `a.txt`, `a.caption`, or `a.json` with a field `text` or
    `caption`), at any depth and in WebDataset tars; with an index file at the root; or as a table.

    The view is the layout that Hugging Face calls "imagefolder": `metadata.csv` with the header `file_name,text`,
    and the images in `examples/`.
    """

    name: ClassVar[str] = "IMAGE_TEXT"
    rules: ClassVar[SampleRules] = SampleRules(
        "image",
        "image",
        IMAGE_SUFFIXES,
        value_column="text",
        value_aliases=("caption",),
        value_sidecars=(".txt", ".caption"),
    )

    def training_schema(self, declared: pa.Schema | None) -> pa.Schema:
        """`file_name` and `text`, strings, and `image`."""
        refuse_declared(self, declared)
        return pa.schema(
            [
                pa.field("file_name", pa.string(), nullable=False),
                pa.field("text", pa.string(), nullable=False),
                media_field("image", "image"),
            ]
        )

    def layouts(self) -> str:
        """What a folder looks like."""
        return (
            "images with a text file of the same name (a.jpg and a.txt, a.caption, or a.json with a field text), "
            "or an index file at the root (metadata.csv with columns file_name,text)"
        )

    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        """Write `examples/` and `metadata.csv`."""
        names = UniqueNames()
        with writer.open("metadata.csv") as metadata:
            metadata.write(quoted_row(("file_name", "text")).encode())
            for batch in reader.scan(columns=["id", "image", "text"], batch_size=64):
                images = batch.column("image")
                rows = zip(batch.column("id").to_pylist(), batch.column("text").to_pylist())
                for row_idx, (sample_id, text) in enumerate(rows):
                    image: bytes = images[row_idx].as_py()
                    name = f"examples/{names.name_for(sample_id, image)}"
                    with writer.open(name) as file:
                        file.write(image)
                    metadata.write(quoted_row((name, text)).encode())
