"""A table at the root of a folder or archive that says what each media file is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from headrace.datasets.batches import BadRow, FileEntry, RowBatch
from headrace.datasets.sources.opening import read_table_entry
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss

__all__ = ["INDEX_SUFFIXES", "PATH_COLUMNS", "IndexFile", "find_index"]

PATH_COLUMNS: Final = ("filename", "file_name", "path")
"""Columns of an index that hold a file's path, relative to the root; the media column's name serves too."""

INDEX_SUFFIXES: Final = (".csv", ".jsonl", ".parquet")
_USUAL_STEMS = frozenset({"index", "labels", "metadata"})


class IndexFile:
    """The index and the files that it may name."""

    __slots__ = ("entry", "files")

    def __init__(self, entry: FileEntry, entries: Sequence[FileEntry]) -> None:
        self.entry = entry
        self.files = {other.path: other for other in entries if other is not entry}  # path -> file

    def batches(self, *, on_bad_row: BadRow | None = None) -> Iterator[RowBatch]:
        """Its rows."""
        return read_table_entry(self.entry, on_bad_row=on_bad_row).batches()

    def find(self, path: str | None) -> FileEntry | None:
        """The file of a path as people spell it: "./a\\b.jpg" is "a/b.jpg"."""
        if path is None:
            return None
        entry = self.files.get(path)
        if entry is None:
            segments = path.replace("\\", "/").split("/")
            entry = self.files.get("/".join(segment for segment in segments if segment not in ("", ".")))
        return entry

    def missing(self, path: str | None, *, explain: bool) -> str:
        """Why a row names no file; with `explain` near misses are looked for, which takes long for many files."""
        if not path:
            return "the file name is empty"
        hint = near_miss(path, list(self.files)[:100_000]) if explain else ""
        return f"names {path!r}, and there is no such file beside the index.{hint}"


def find_index(entries: Sequence[FileEntry]) -> IndexFile | None:
    """The index at the root, or None.

    A table called index, labels or metadata comes first, else the only table there is.

    Raises:
        InvalidInput: Several tables could be it.
    """
    tables = [entry for entry in entries if "/" not in entry.path and entry.path.lower().endswith(INDEX_SUFFIXES)]
    usual = [entry for entry in tables if entry.path.lower().rpartition(".")[0] in _USUAL_STEMS]
    candidates = usual or tables
    if not candidates:
        return None
    if len(candidates) > 1:
        names = ", ".join(sorted(entry.path for entry in candidates))
        raise InvalidInput(
            f"several tables could be the index: {names}; keep one at the root, best called index.csv",
            file=candidates[0].media.name,
        )
    return IndexFile(candidates[0], entries)
