"""Files of tar shards that are adopted: indexed side by side, each shard read once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

from headrace.datasets.batches import FileEntry, Origin
from headrace.datasets.kept_indexes import KeptIndexes, ordered
from headrace.datasets.media import MediaInput
from headrace.datasets.shard_indexing import IndexedMember, ShardIndex
from headrace.datasets.sources.archive_files import ArchiveFiles
from headrace.datasets.sources.joined_files import JoinedFiles
from headrace.datasets.sources.source import FileSource
from headrace.progress import Progress
from headrace.storage.containers import Container
from headrace.storage.member_names import UniqueNames

__all__ = ["AdoptedShards", "plain_tars"]

_PARALLEL_REQUESTS = 16


class AdoptedShards:
    """Members of plain tars, one tar after the other, with what is known of their content; paths are unique over all.

    Nothing but small text files is in memory, however large the shards are.
    """

    def __init__(
        self, containers: Sequence[Container], indexes: KeptIndexes[ShardIndex], *, progress: Progress
    ) -> None:
        self.kind: Literal["files"] = "files"
        self.origins: list[Origin] = [Origin(container.uri, container.size) for container in containers]
        self.num_files: int | None = None
        self.num_bytes: int | None = sum(container.size for container in containers)
        self._containers = containers
        self._indexes = indexes
        self._progress = progress

    def files(self) -> Iterator[FileEntry]:
        """As `FileSource.files`.

        Raises:
            InvalidInput: A path occurs in two shards, or a shard is damaged.
        """
        containers = self._containers
        is_remote = any(container.path is None for container in containers)
        num_threads = _PARALLEL_REQUESTS if is_remote else (os.cpu_count() or 2)
        seen: set[str] = set()
        self._indexes.open(containers)
        self._progress.start("indexing", total_bytes=self.num_bytes)
        with ThreadPoolExecutor(num_threads, thread_name_prefix="headrace-adopt") as pool:
            indexes = ordered(pool, containers, self._indexes, ahead=2 * num_threads)
            for idx, (container, index) in enumerate(zip(containers, indexes, strict=True)):
                self.origins[idx] = Origin(container.uri, container.size, index.digest)
                names = UniqueNames(container.uri, seen=seen)
                uri, version = container.uri, container.version
                for member in index.members:
                    names.add(member.path)
                    yield FileEntry(member.path, _media(member, container, uri, version), idx)
                self._progress.advance(bytes=container.size)
        self._progress.start("reading", total_bytes=self.num_bytes)


def _media(member: IndexedMember, container: Container, uri: str, version: str) -> MediaInput:
    is_local = container.path is not None
    return MediaInput(
        f"{container.name}!{member.path}",
        data=member.data,
        path=container.path,
        offset=member.offset,
        size=member.size,
        uri=uri,
        version=version,
        fetch=None if is_local else partial(container.read_at, member.offset, member.size),
        indexed=member.media,
    )


def plain_tars(source: FileSource) -> list[ArchiveFiles] | None:
    """The archives of a source that consists of plain tars; None if anything else is in it."""
    sources = source.sources if isinstance(source, JoinedFiles) else [source]
    found = [item for item in sources if isinstance(item, ArchiveFiles) and item.archive_kind == "tar"]
    return found if len(found) == len(sources) else None
