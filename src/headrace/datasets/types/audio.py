"""AUDIO: sound recordings."""

from __future__ import annotations

from typing import ClassVar

from headrace.datasets.types.media_files import AUDIO_SUFFIXES
from headrace.datasets.types.recordings import RecordingType

__all__ = ["Audio"]


class Audio(RecordingType):
    """Rows of `id` and `audio`; reading headers needs the extra `audio`."""

    name: ClassVar[str] = "AUDIO"
    media_column: ClassVar[str] = "audio"
    kind: ClassVar[str] = "audio"
    media_suffixes: ClassVar[frozenset[str]] = AUDIO_SUFFIXES
