"""AUDIO and VIDEO: samples and views."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from headrace.datasets.types.audio import Audio
from headrace.datasets.types.video import Video
from headrace.errors import InvalidInput
from headrace.testing import MemoryFiles, MemoryTable, MemoryViewReader, MemoryViewWriter, ingest_rows
from tests.generated_media import video_bytes, wav_bytes


def test_audio_takes_one_sample_a_file() -> None:
    tone = wav_bytes(seconds=0.5)
    files = {"a.wav": tone, "deep/er/b.wav": tone, "deep/er/b.txt": b"hello\n", "deep/er/b.json": b'{"speaker": "x"}'}
    result = ingest_rows(Audio(), MemoryFiles(files))
    assert result.table.drop_columns(["audio"]).to_pylist() == [
        {"id": "a.wav", "text": None, "speaker": None},
        {"id": "deep/er/b", "text": "hello", "speaker": "x"},
    ]
    header = result.headers["audio"][0]
    assert header is not None
    assert (header.format, header.duration) == ("wav", 0.5)


def test_video_takes_one_sample_a_file() -> None:
    result = ingest_rows(Video(), MemoryFiles({"a.mp4": video_bytes(), "b.webm": video_bytes(format="webm")}))
    assert [(header.format, header.width) for header in result.headers["video"] if header] == [
        ("mp4", 32),
        ("webm", 32),
    ]


def test_files_of_another_kind_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"a\.jpg: is no video file by its name; expected \.asf"):
        ingest_rows(Video(), MemoryFiles({"a.jpg": b"", "b.mp4": b""}))


def test_view_lists_further_columns() -> None:
    tones = [wav_bytes(pitch=pitch) for pitch in (200, 300)]
    table = pa.table(
        {
            "id": ["s1", "s2"],
            "audio": tones,
            "text": ["a\nb", None],
            "tags": [["x", "y"], None],
            "rate": [1.5, None],
            "when": pa.array([datetime(2026, 11, 1, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
            "checked": [True, False],
        }
    )
    result = ingest_rows(Audio(), MemoryTable(table)).table
    schema = pa.schema([*Audio().ingest_schema(None), *list(result.schema)[2:]])
    writer = MemoryViewWriter()
    Audio().materialise(MemoryViewReader([result], schema=schema), writer)
    assert list(csv.reader(io.StringIO(writer.files.pop("index.csv").decode(), newline=""))) == [
        ["file_name", "id", "text", "tags", "rate", "when", "checked"],
        ["examples/s1.wav", "s1", "a\nb", '["x","y"]', "1.5", "2026-11-01T00:00:00+00:00", "true"],
        ["examples/s2.wav", "s2", "", "", "", "", "false"],
    ]
    assert writer.files == {"examples/s1.wav": tones[0], "examples/s2.wav": tones[1]}
