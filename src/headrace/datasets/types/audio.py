"""AUDIO: sound recordings."""

from __future__ import annotations

from typing import ClassVar

from headrace.datasets.types.media_files import AUDIO_SUFFIXES
from headrace.datasets.types.recordings import RecordingType
from headrace.datasets.types.sample_rules import SampleRules

__all__ = ["Audio"]


class Audio(RecordingType):
    """Rows of `id` and `audio`; reading headers needs the extra `audio`.

    Handed in as files, one sample a file, at any depth (`.txt` beside a file becomes the column `text`, the fields
    of a `.json` columns of their own); with an index file at the root; or as a table.

    The view is `index.csv` (header `file_name,id` and the further columns, null as an empty field) and the files in
    `examples/`.
    """

    name: ClassVar[str] = "AUDIO"
    rules: ClassVar[SampleRules] = SampleRules("audio", "audio", AUDIO_SUFFIXES, text_sidecars={".txt": "text"})
