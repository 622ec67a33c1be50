"""AUDIO: sound recordings."""

from __future__ import annotations

from typing import ClassVar

from headrace.datasets.types.media_files import AUDIO_SUFFIXES
from headrace.datasets.types.recordings import RecordingType
from headrace.datasets.types.sample_rules import SampleRules

__all__ = ["Audio"]


class Audio(RecordingType):
    """Rows of `id` and `audio`; reading headers needs the extra `audio`."""

    name: ClassVar[str] = "AUDIO"
    rules: ClassVar[SampleRules] = SampleRules("audio", "audio", AUDIO_SUFFIXES, text_sidecars={".txt": "text"})
