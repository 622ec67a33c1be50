"""VIDEO: videos."""

from __future__ import annotations

from typing import ClassVar

from headrace.datasets.types.media_files import VIDEO_SUFFIXES
from headrace.datasets.types.recordings import RecordingType

__all__ = ["Video"]


class Video(RecordingType):
    """Rows of `id` and `video`; reading headers needs the extra `video`."""

    name: ClassVar[str] = "VIDEO"
    media_column: ClassVar[str] = "video"
    kind: ClassVar[str] = "video"
    media_suffixes: ClassVar[frozenset[str]] = VIDEO_SUFFIXES
