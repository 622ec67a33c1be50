"""Files of a folder or archive sorted into media and what belongs to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from headrace.datasets.batches import FileEntry

__all__ = [
    "AUDIO_SUFFIXES",
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "MediaSample",
    "SortedFiles",
    "sort_files",
    "suffix_of",
]

IMAGE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"}
)
AUDIO_SUFFIXES: Final = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf"})
VIDEO_SUFFIXES: Final = frozenset(
    {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".ogv", ".flv", ".wmv", ".asf"}
)


def suffix_of(path: str) -> str:
    """ ".jpg" of "cat/A.JPG", "" where the name has none; a leading dot starts no suffix."""
    dot = path.rfind(".")
    return path[dot:].lower() if dot > path.rfind("/") + 1 else ""


@dataclass(frozen=True, slots=True)
class MediaSample:
    """A media file and the small files with the same stem, by suffix."""

    entry: FileEntry
    sidecars: dict[str, FileEntry]

    @property
    def sample_id(self) -> str:
        """The path; without its suffix when small files share the stem."""
        path = self.entry.path
        return path[: path.rfind(".")] if self.sidecars and suffix_of(path) else path


@dataclass(frozen=True, slots=True)
class SortedFiles:
    """Files by what they are for a type, each list in source order."""

    media: list[FileEntry]
    sidecars: dict[str, dict[str, FileEntry]]  # stem -> suffix -> file
    others: list[FileEntry]

    def samples(self) -> Iterator[MediaSample]:
        """Media files with their sidecars."""
        none: dict[str, FileEntry] = {}
        sidecars = self.sidecars
        for entry in self.media:
            yield MediaSample(entry, sidecars.get(_stem(entry.path), none) if sidecars else none)

    def shared_stems(self) -> dict[str, list[FileEntry]]:
        """Media files that claim the same sidecars: two or more for one stem."""
        claims: dict[str, list[FileEntry]] = {}
        if self.sidecars:
            for entry in self.media:
                stem = _stem(entry.path)
                if stem in self.sidecars:
                    claims.setdefault(stem, []).append(entry)
        return {stem: entries for stem, entries in claims.items() if len(entries) > 1}

    def orphans(self) -> list[FileEntry]:
        """Sidecars without a media file."""
        if not self.sidecars:
            return []
        stems = {_stem(entry.path) for entry in self.media}
        return [entry for stem, files in self.sidecars.items() if stem not in stems for entry in files.values()]


def sort_files(
    entries: Iterable[FileEntry], *, media_suffixes: frozenset[str], sidecar_suffixes: frozenset[str]
) -> SortedFiles:
    """Sort by suffix; a file without one may be media, its content decides later."""
    media: list[FileEntry] = []
    sidecars: dict[str, dict[str, FileEntry]] = {}
    others: list[FileEntry] = []
    for entry in entries:
        path = entry.path
        dot = path.rfind(".")
        # The common spelling first: this loop runs once a file.
        if path[dot:] in media_suffixes:
            media.append(entry)
            continue
        suffix = suffix_of(path)
        if suffix in media_suffixes or not suffix:
            media.append(entry)
        elif suffix in sidecar_suffixes:
            sidecars.setdefault(path[:dot], {})[suffix] = entry
        else:
            others.append(entry)
    return SortedFiles(media, sidecars, others)


def _stem(path: str) -> str:
    return path[: path.rfind(".")] if suffix_of(path) else path
