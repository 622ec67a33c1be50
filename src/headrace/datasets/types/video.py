"""VIDEO: videos."""

from __future__ import annotations

from typing import ClassVar

from headrace.datasets.types.media_files import VIDEO_SUFFIXES
from headrace.datasets.types.recordings import RecordingType
from headrace.datasets.types.sample_rules import SampleRules

__all__ = ["Video"]


class Video(RecordingType):
    """Rows of `id` and `video`; reading headers needs the extra `video`.

    Handed in as files, one sample a file, at any depth (`.txt` beside a file becomes the column `text`, the fields
    of a `.json` columns of their own); with an index file at the root; or as a table.

    The view is `index.csv` (header `file_name,id` and the further columns, null as an empty field) and the files in
    `examples/`.
    """

    name: ClassVar[str] = "VIDEO"
    rules: ClassVar[SampleRules] = SampleRules("video", "video", VIDEO_SUFFIXES, text_sidecars={".txt": "text"})
