"""Headers of sound files."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import soundfile

from headrace.datasets.probes.audio_header import probe_audio
from headrace.errors import InvalidInput, MissingExtra
from tests.generated_media import image_bytes, wav_bytes


@pytest.mark.parametrize("format", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_probe_reads_format_and_duration(format: str) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(16_000, np.float32), 8000, format=format)
    header = probe_audio(buffer.getvalue(), "a")
    assert header.format == format.lower()
    assert header.duration == pytest.approx(2.0, abs=0.1)
    assert header.width is None


@pytest.mark.parametrize("data", [b"", b"no sound", image_bytes(), wav_bytes()[:20]])
def test_probe_refuses_other_content(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="not a sound file") as caught:
        probe_audio(data, "a.wav")
    assert caught.value.file == "a.wav"


def test_probe_refuses_a_truncated_file() -> None:
    with pytest.raises(InvalidInput, match="truncated"):
        probe_audio(wav_bytes()[:-100], "a.wav")


def test_probe_refuses_a_file_without_sound() -> None:
    with pytest.raises(InvalidInput, match="without sound"):
        probe_audio(wav_bytes(seconds=0), "a.wav")


def test_probe_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtra, match=r"pip install 'headrace\[audio\]'"):
        probe_audio(wav_bytes(), "a.wav")
