"""VIDEO: videos."""

from __future__ import annotations

from typing import ClassVar

from headrace.datasets.types.media_files import VIDEO_SUFFIXES
from headrace.datasets.types.recordings import RecordingType
from headrace.datasets.types.sample_rules import SampleRules

__all__ = ["Video"]


class Video(RecordingType):
    """Rows of `id` and `video`; reading headers needs the extra `video`."""

    name: ClassVar[str] = "VIDEO"
    rules: ClassVar[SampleRules] = SampleRules("video", "video", VIDEO_SUFFIXES, text_sidecars={".txt": "text"})
