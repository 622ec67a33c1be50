"""Files of an archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import BinaryIO, Literal, cast

import blake3

from headrace.datasets.batches import FileEntry, Origin
from headrace.datasets.media import MediaInput
from headrace.datasets.sources.table_file import HashingReader
from headrace.errors import InvalidInput
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.archive_members import ArchiveMember
from headrace.storage.archives import ArchiveKind, read_archive
from headrace.storage.containers import Container

__all__ = ["ArchiveFiles"]


class ArchiveFiles:
    """Members of a zip or tar in archive order, as often as asked.

    Members of a plain tar, and uncompressed ones of a local zip, lie in it as they are and carry its URI and version
    with their offset.
    """

    def __init__(
        self, container: Container, *, archive_kind: ArchiveKind, limits: ArchiveLimits, allow_nested: bool
    ) -> None:
        self.kind: Literal["files"] = "files"
        self.origins: list[Origin] = [Origin(container.uri, container.size)]
        self.num_files: int | None = None
        self.num_bytes: int | None = container.size
        self.container = container
        self.archive_kind: ArchiveKind = archive_kind
        self.limits = limits
        self.allow_nested = allow_nested
        self._uri = container.uri
        self._version = container.version

    def files(self) -> Iterator[FileEntry]:
        """As `FileSource.files`; the origin's digest is known afterwards if all of the archive passed by.

        Raises:
            InvalidInput: As `read_archive`, or an archive without files.
        """
        container = self.container
        num_files = 0
        with ExitStack() as stack:
            hashing: HashingReader | None = None
            if self.archive_kind in ("tar.gz", "tar.zst"):
                hashing = HashingReader(stack.enter_context(container.open()))
            members = read_archive(
                container,
                kind=self.archive_kind,
                limits=self.limits,
                allow_nested=self.allow_nested,
                raw=cast(BinaryIO, hashing) if hashing is not None else None,
            )
            for member in members:
                yield FileEntry(member.path, self._media(member), 0)
                num_files += 1
            if num_files == 0:
                raise InvalidInput("empty archive; expected at least one file that is not hidden", file=container.name)
            self.num_files = num_files
            self.origins[0] = Origin(container.uri, container.size, self._digest(hashing))

    def _media(self, member: ArchiveMember) -> MediaInput:
        name = f"{self.container.name}!{member.path}"
        if member.offset is None:
            return MediaInput(name, data=member.data, size=member.size, fetch=member.fetch)
        return MediaInput(
            name,
            data=member.data,
            path=self.container.path,
            offset=member.offset,
            size=member.size,
            uri=self._uri,
            version=self._version,
            fetch=member.fetch,
        )

    def _digest(self, hashing: HashingReader | None) -> str | None:
        """BLAKE3 of the archive's own bytes; None for remote ones that were read in ranges."""
        if hashing is not None:
            return hashing.finish()
        if self.container.path is None:
            return None
        hasher = blake3.blake3()
        with self.container.open() as raw:
            while data := raw.read(1 << 20):
                hasher.update(data)
        return str(hasher.hexdigest())
