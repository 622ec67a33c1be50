"""Which dataset type a source most likely is, for a suggestion in a message; nothing is decided by it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

__all__ = ["guess_type"]

_TYPES_BY_SUFFIX: Final = {
    ".csv": "TEXT_INTENT",
    ".json": "TABLE",
    ".jsonl": "TABLE",
    ".parquet": "TABLE",
    ".mp4": "VIDEO",
    ".mkv": "VIDEO",
    ".mov": "VIDEO",
    ".webm": "VIDEO",
    ".wav": "AUDIO",
    ".flac": "AUDIO",
    ".mp3": "AUDIO",
    ".ogg": "AUDIO",
}


def guess_type(source: str) -> str:
    """By the file name alone; GENERIC takes whatever files there are."""
    return _TYPES_BY_SUFFIX.get(PurePosixPath(source.rstrip("/")).suffix.lower(), "GENERIC")
