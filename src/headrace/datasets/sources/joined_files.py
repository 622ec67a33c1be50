"""Several folders or archives as one source of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from headrace.datasets.batches import FileEntry, Origin
from headrace.datasets.sources.source import FileSource
from headrace.storage.member_names import UniqueNames

__all__ = ["JoinedFiles"]


class JoinedFiles:
    """Files of one source after the other; paths are unique over all."""

    def __init__(self, sources: Sequence[FileSource]) -> None:
        self.kind: Literal["files"] = "files"
        self.origins: list[Origin] = [origin for source in sources for origin in source.origins]
        counts = [source.num_files for source in sources]
        sizes = [source.num_bytes for source in sources]
        self.num_files: int | None = None if None in counts else sum(count or 0 for count in counts)
        self.num_bytes: int | None = None if None in sizes else sum(size or 0 for size in sizes)
        self.sources = sources

    def files(self) -> Iterator[FileEntry]:
        """As `FileSource.files`.

        Raises:
            InvalidInput: A path occurs in two sources, or what a source raises.
        """
        first_origin = 0
        seen: set[str] = set()
        for source in self.sources:
            num_origins = len(source.origins)
            names = UniqueNames(source.origins[0].uri, seen=seen)
            for entry in source.files():
                names.add(entry.path)
                yield replace(entry, origin_idx=first_origin + entry.origin_idx)
            self.origins[first_origin : first_origin + num_origins] = source.origins
            first_origin += num_origins
