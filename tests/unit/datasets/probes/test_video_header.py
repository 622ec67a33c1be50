"""Headers of videos."""

from __future__ import annotations

import sys

import pytest

from headrace.datasets.probes.video_header import probe_video
from headrace.errors import InvalidInput, MissingExtra
from tests.generated_media import image_bytes, video_bytes, wav_bytes


@pytest.mark.parametrize(
    ("format", "name"),
    [("mp4", "mp4"), ("mov", "mov"), ("matroska", "matroska"), ("webm", "webm"), ("avi", "avi"), ("mpegts", "mpegts")],
)
def test_probe_reads_format_size_and_duration(format: str, name: str) -> None:
    header = probe_video(video_bytes(format=format, num_frames=8), "a")
    assert (header.format, header.width, header.height) == (name, 32, 16)
    assert header.duration == pytest.approx(0.8, abs=0.15)


@pytest.mark.parametrize("data", [b"", b"no video", image_bytes("PNG"), wav_bytes(), b"#EXTM3U\nfile:///etc/passwd\n"])
def test_probe_refuses_other_content(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="not a video") as caught:
        probe_video(data, "a.mp4")
    assert caught.value.file == "a.mp4"


@pytest.mark.parametrize("format", ["mp4", "avi"])
def test_probe_refuses_a_truncated_file(format: str) -> None:
    data = video_bytes(format=format)
    with pytest.raises(InvalidInput, match="truncated"):
        probe_video(data[:-20], "a")
    with pytest.raises(InvalidInput):
        probe_video(data[:64], "a")


def test_probe_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"pip install 'headrace\[video\]'"):
        probe_video(b"", "a.mp4")
