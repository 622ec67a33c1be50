"""IMAGE_TEXT: where texts come from, and the view."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest

from headrace.datasets.types.image_text import ImageText
from headrace.errors import InvalidInput
from headrace.testing import MemoryFiles, MemoryTable, MemoryViewReader, MemoryViewWriter, ingest_rows
from tests.generated_media import image_bytes

TYPE = ImageText()
IMAGE = image_bytes()


@pytest.mark.parametrize(
    ("sidecars", "text", "further"),
    [
        ({"a.txt": b"two\nlines\n"}, "two\nlines", {}),
        ({"a.caption": "größe".encode()}, "größe", {}),
        ({"a.json": b'{"text": "t", "n": 1}'}, "t", {"n": 1}),
        ({"a.json": b'{"caption": "c"}'}, "c", {}),
        ({"a.txt": b"t", "a.json": b'{"caption": "c", "text": "t"}'}, "t", {"caption": "c"}),
        ({"a.txt": b"\xef\xbb\xbfbom"}, "bom", {}),
        ({"a.txt": b""}, "", {}),
    ],
)
def test_text_comes_from_files_beside_the_image(
    sidecars: dict[str, bytes], text: str, further: dict[str, object]
) -> None:
    row = ingest_rows(
        TYPE, MemoryFiles({"x/a.jpg": IMAGE} | {f"x/{name}": data for name, data in sidecars.items()})
    ).table
    assert row.to_pylist() == [{"id": "x/a", "image": IMAGE, "text": text, **further}]


def test_image_without_text_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"a\.jpg: has no text; expected images with a text file"):
        ingest_rows(TYPE, MemoryFiles({"a.jpg": IMAGE}))


def test_table_with_null_text_is_refused() -> None:
    table = pa.table({"image": [IMAGE, IMAGE], "text": ["", None]})
    with pytest.raises(InvalidInput, match="the text is null") as caught:
        ingest_rows(TYPE, MemoryTable(table))
    assert (caught.value.line, caught.value.column) == (2, "text")


def test_view_can_be_committed_again() -> None:
    schema = TYPE.ingest_schema(None)
    samples = [("a.jpg", 'say "hi"\nthere'), ("b/A.jpg", "größe"), ("c", "")]
    rows = pa.Table.from_pylist([{"id": key, "image": IMAGE, "text": text} for key, text in samples], schema)
    writer = MemoryViewWriter()
    TYPE.materialise(MemoryViewReader([rows], schema=schema), writer)
    assert sorted(writer.files) == ["examples/A-2.jpg", "examples/a.jpg", "examples/c.jpg", "metadata.csv"]
    listing = list(csv.reader(io.StringIO(writer.files["metadata.csv"].decode(), newline="")))
    assert listing[0] == ["file_name", "text"]
    assert listing[2] == ["examples/A-2.jpg", "größe"]
    again = ingest_rows(TYPE, MemoryFiles(writer.files)).table
    assert again.column("text").to_pylist() == [text for _, text in samples]
