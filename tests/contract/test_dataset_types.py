"""Every built-in dataset type, and one as a user writes it, under the public conformance suite."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import ClassVar

import pyarrow as pa

from headrace.datasets.batches import SampleBatch
from headrace.datasets.columns import media_field
from headrace.datasets.media import MediaHeader, MediaProbe
from headrace.datasets.sources.source import FileSource, TableSource
from headrace.datasets.types.audio import Audio
from headrace.datasets.types.base import DatasetType, IngestContext, refuse_declared
from headrace.datasets.types.generic import Generic
from headrace.datasets.types.image_class import ImageClass
from headrace.datasets.types.image_text import ImageText
from headrace.datasets.types.table import Table
from headrace.datasets.types.text_intent import TextIntent
from headrace.datasets.types.video import Video
from headrace.datasets.views import ViewReader, ViewWriter
from headrace.errors import InvalidInput
from headrace.testing import BrokenSource, DatasetTypeConformance, MemoryFiles, MemoryTable
from tests.generated_media import image_bytes, video_bytes, wav_bytes

AnySource = TableSource | FileSource


class TestTextIntent(DatasetTypeConformance):
    dataset_type = TextIntent()

    def sources(self) -> Sequence[AnySource]:
        table = pa.table({"text": ["a", "b"], "labels": [["x", "z"], []], "source": ["web", None]})
        return [
            MemoryTable.from_csv_rows([("hello", "greet"), ("so, long", "bye;greet"), ("hello", "greet")] * 5),
            MemoryTable(table),
        ]

    def broken_sources(self) -> Sequence[BrokenSource]:
        rows = MemoryTable.from_csv_rows([("hello", "greet"), ("alone",)], name="part.csv")
        nulls = MemoryTable(pa.table({"text": ["a", None], "label": ["x", "y"]}), name="part.parquet")
        other = MemoryTable(pa.table({"txt": ["a"], "label": ["x"]}), name="other.parquet")
        return [
            BrokenSource(rows, ("part.csv:2", "one column only", "labels"), line=2, num_rejected=1),
            BrokenSource(nulls, ("part.parquet:2", "column text", "null"), line=2, num_rejected=1),
            BrokenSource(other, ("other.parquet", "no column text", "Did you mean 'txt'")),
        ]

    def unicode_source(self, text: str) -> AnySource:
        return MemoryTable.from_csv_rows([(text, text), ("b", "c")])


class TestImageClass(DatasetTypeConformance):
    dataset_type = ImageClass()

    def sources(self) -> Sequence[AnySource]:
        images = [image_bytes(shade=shade) for shade in range(4)]
        return [
            MemoryFiles({"cat/1.jpg": images[0], "cat/1.JPG": images[1], "dog/1.jpg": images[2], "dog/2": images[3]}),
            MemoryFiles(
                {
                    "a.jpg": images[0],
                    "index.csv": b"filename,label,score\na.jpg,cat,3\nsub/b.png,dog,4\n",
                    "sub/b.png": image_bytes("PNG"),
                }
            ),
            MemoryFiles({"0.jpg": images[0], "0.cls": b"3\n", "1.jpg": images[1], "1.json": b'{"label": 4, "w": 1.5}'}),
            MemoryTable(pa.table({"id": ["p", "q"], "image": images[:2], "label": [1, 2]})),
        ]

    def broken_sources(self) -> Sequence[BrokenSource]:
        image = image_bytes()
        return [
            BrokenSource(MemoryFiles({"a.jpg": image, "b.jpg": image}), ("<label>/<image>", "index.csv")),
            BrokenSource(MemoryFiles({"x/cat/a.jpg": image, "cat/b.jpg": image}), ("x/cat/a.jpg",), num_rejected=1),
            BrokenSource(MemoryFiles({"cat/a.md": b"#", "cat/a.jpg": image}), ("cat/a.md", ".jpeg"), num_rejected=1),
            BrokenSource(
                MemoryTable(pa.table({"image": [image, None], "label": ["a", "b"]}), name="t.parquet"),
                ("t.parquet:2", "column image", "null"),
                line=2,
                num_rejected=1,
            ),
        ]

    def unicode_source(self, text: str) -> AnySource:
        return MemoryFiles({f"{text}/1.jpg": image_bytes()})


class TestImageText(DatasetTypeConformance):
    dataset_type = ImageText()

    def sources(self) -> Sequence[AnySource]:
        first, second = image_bytes(), image_bytes("PNG", shade=1)
        return [
            MemoryFiles(
                {
                    "00/1.jpg": first,
                    "00/1.txt": b"a cat\n",
                    "00/1.json": b'{"size": 3, "caption": "a cat"}',
                    "00/2.png": second,
                    "00/2.json": b'{"text": "a \\"dog\\", sleeping", "tags": ["x"]}',
                    "3.jpg": first,
                    "3.caption": b"",
                }
            ),
            MemoryFiles(
                {
                    "metadata.jsonl": b'{"file_name": "a.png", "text": "A"}\n{"file_name": "b.png", "text": "B"}\n',
                    "a.png": second,
                    "b.png": second,
                }
            ),
            MemoryTable(pa.table({"image": [first, second], "caption": ["x", "y"], "width": [1, 2]})),
        ]

    def broken_sources(self) -> Sequence[BrokenSource]:
        image = image_bytes()
        return [
            BrokenSource(
                MemoryFiles({"a.jpg": image, "b.jpg": image, "b.txt": b"t"}), ("a.jpg", "text"), num_rejected=1
            ),
            BrokenSource(MemoryFiles({"a.jpg": image, "a.txt": b"t", "b.txt": b"t"}), ("b.txt",), num_rejected=1),
            BrokenSource(MemoryFiles({"a.jpg": image, "a.txt": b"\xff"}), ("a.txt", "UTF-8", "0xff"), num_rejected=1),
        ]

    def unicode_source(self, text: str) -> AnySource:
        return MemoryFiles({"a.jpg": image_bytes(), "a.txt": text.encode()})


class TestGeneric(DatasetTypeConformance):
    dataset_type = Generic()

    def sources(self) -> Sequence[AnySource]:
        return [
            MemoryFiles({"a/b.bin": b"\x00\xff", "c": b"", ".hidden": b"x"}),
            MemoryTable(pa.table({"name": ["p", "q"], "data": [b"1", b"2"]})),
        ]

    def broken_sources(self) -> Sequence[BrokenSource]:
        nulls = pa.table({"name": ["p", None], "data": [b"1", b"2"]})
        further = pa.table({"name": ["p"], "data": [b"1"], "label": ["x"]})
        return [
            BrokenSource(MemoryTable(nulls, name="t.parquet"), ("t.parquet:2", "column name"), line=2, num_rejected=1),
            BrokenSource(MemoryTable(further, name="t.parquet"), ("t.parquet", "column label", "type TABLE")),
            BrokenSource(MemoryFiles({}), ("no files",)),
        ]

    def unicode_source(self, text: str) -> AnySource:
        return MemoryFiles({text: b"x"})

    def test_media_is_of_its_kind(self) -> None:
        """There is no kind that content could fail to be of."""
        assert not self.dataset_type.probes(self.dataset_type.ingest_schema(None))


class TestTable(DatasetTypeConformance):
    dataset_type = Table()
    key = "id"
    declared = pa.schema(
        [
            pa.field("id", pa.int64()),
            pa.field("text", pa.string(), nullable=False),
            pa.field("score", pa.float32()),
            pa.field("seen", pa.timestamp("us", "UTC")),
            media_field("photo", "image", nullable=True),
        ]
    )

    def sources(self) -> Sequence[AnySource]:
        return [
            MemoryTable(
                pa.table(
                    {"id": ["1", "2"], "text": ["a", ""], "score": ["1.5", ""], "seen": ["2026-11-01T00:00:00Z", ""]}
                ),
                is_csv=True,
            ),
            MemoryTable(pa.table({"text": ["c", "d"], "id": [3, 4], "photo": [image_bytes(), None]})),
        ]

    def broken_sources(self) -> Sequence[BrokenSource]:
        def table(**columns: list[object]) -> MemoryTable:
            return MemoryTable(pa.table(columns), name="t.jsonl")

        return [
            BrokenSource(table(id=["1", "x"], text=["a", "b"]), ("t.jsonl:2", "column id", "'x' is no int64"), 2, 1),
            BrokenSource(table(id=[1, None], text=["a", "b"]), ("t.jsonl:2", "key is null"), 2, 1),
            BrokenSource(table(id=[1, 2], text=[None, "b"]), ("t.jsonl:1", "column text", "is null"), 1, 1),
            BrokenSource(table(id=[1], text=["a"], scroe=[1.0]), ("column scroe", "Did you mean 'score'")),
            BrokenSource(table(text=["a"]), ("no column id",)),
        ]

    def unicode_source(self, text: str) -> AnySource:
        return MemoryTable(pa.table({"id": [1], "text": [text]}))


class TestAudio(DatasetTypeConformance):
    dataset_type = Audio()

    def sources(self) -> Sequence[AnySource]:
        tones = [wav_bytes(pitch=pitch) for pitch in (200, 300)]
        return [
            MemoryFiles({"a.wav": tones[0], "a.txt": b"low\n", "b/c.wav": tones[1], "b/c.json": b'{"speaker": 7}'}),
            MemoryTable(pa.table({"audio": tones, "text": ["x", None]})),
        ]

    def broken_sources(self) -> Sequence[BrokenSource]:
        return [
            BrokenSource(MemoryFiles({"a.wav": wav_bytes(), "a.mp4": b""}), ("a.mp4", ".flac"), num_rejected=1),
            BrokenSource(MemoryFiles({"notes.md": b"x"}, name="folder"), ("notes.md",)),
        ]

    def unicode_source(self, text: str) -> AnySource:
        return MemoryFiles({"a.wav": wav_bytes(), "a.txt": text.encode()})


class TestVideo(DatasetTypeConformance):
    dataset_type = Video()

    def sources(self) -> Sequence[AnySource]:
        videos = [video_bytes(shade=shade) for shade in (0, 200)]
        return [
            MemoryFiles({"a.mp4": videos[0], "b.MP4": videos[1], "README.md": b"passed over"}),
            MemoryTable(pa.table({"id": [1, 2], "video": videos, "facts": [{"fps": 10, "tags": ["x"]}, None]})),
        ]

    def broken_sources(self) -> Sequence[BrokenSource]:
        both = MemoryFiles({"a.mp4": b"", "a.webm": b"", "a.json": b"{}", "b.mp4": b""})
        return [BrokenSource(both, ("a.mp4", "shares its stem"), num_rejected=2)]

    def unicode_source(self, text: str) -> AnySource:
        return MemoryFiles({f"{text}.mp4": video_bytes()})


class PointCloud(DatasetType):
    """A type as a user writes it: .xyz files of little-endian floats, three a point, with a JSON file of labels.

    Handed in as `<name>.xyz`; `labels.json` maps names to labels. The view is one file `points.json`.
    """

    name: ClassVar[str] = "POINT_CLOUD"
    key: ClassVar[str | None] = "name"
    label_column: ClassVar[str | None] = "label"

    def ingest_schema(self, declared: pa.Schema | None) -> pa.Schema:
        refuse_declared(self, declared)
        return pa.schema(
            [
                pa.field("name", pa.string(), nullable=False),
                media_field("points", "bytes"),
                pa.field("label", pa.string()),
            ]
        )

    def training_schema(self, declared: pa.Schema | None) -> pa.Schema:
        refuse_declared(self, declared)
        return pa.schema([pa.field("points", pa.list_(pa.float32())), pa.field("label_id", pa.int64())])

    def ingest(self, source: TableSource | FileSource, context: IngestContext) -> Iterator[SampleBatch]:
        if source.kind != "files":
            raise InvalidInput("POINT_CLOUD is read from a folder or archive of .xyz files, not from a table")
        entries = {entry.path: entry for entry in source.files()}
        listing = entries.pop("labels.json", None)
        if listing is None:
            raise InvalidInput("there is no labels.json; expected one at the root", file=source.origins[0].uri)
        labels = json.loads(listing.media.load())
        yield SampleBatch(
            {
                "name": pa.array(list(entries), pa.string()),
                "points": [entry.media for entry in entries.values()],
                "label": pa.array([labels.get(path) for path in entries], pa.string()),
            },
            num_rows=len(entries),
            origin_idx=0,
            members=list(entries),
        )

    def probes(self, schema: pa.Schema) -> dict[str, MediaProbe]:
        return {"points": _probe_points}

    def materialise(self, reader: ViewReader, writer: ViewWriter) -> None:
        label_ids: dict[str, int] = {}
        rows = []
        for batch in reader.scan(columns=["points", "label"]):
            for row in batch.to_pylist():
                points = struct.unpack(f"<{len(row['points']) // 4}f", row["points"])
                rows.append([points, label_ids.setdefault(row["label"], len(label_ids) + 1)])
        with writer.open("points.json") as file:
            file.write(json.dumps(rows).encode())


def _probe_points(data: bytes, name: str) -> MediaHeader:
    if len(data) % 12:
        raise InvalidInput(f"has {len(data)} bytes; expected a multiple of 12, three floats a point", file=name)
    return MediaHeader("xyz")


class TestPointCloud(DatasetTypeConformance):
    dataset_type = PointCloud()

    def sources(self) -> Sequence[AnySource]:
        return [
            MemoryFiles({f"{stem}1.xyz": bytes(24), f"{stem}2.xyz": bytes(12), "labels.json": b'{"a1.xyz": "tree"}'})
            for stem in "ab"
        ]

    def broken_sources(self) -> Sequence[BrokenSource]:
        return [
            BrokenSource(MemoryFiles({"a.xyz": bytes(12)}, name="scans"), ("scans", "labels.json")),
            BrokenSource(MemoryTable(pa.table({"x": [1]})), ("folder or archive",)),
        ]

    def unicode_source(self, text: str) -> AnySource:
        return MemoryFiles({text: bytes(12), "labels.json": b"{}"})
