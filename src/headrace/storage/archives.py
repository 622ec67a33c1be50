"""Archives as sources: zip, tar, tar.gz and tar.zst, with nothing that escapes, repeats or explodes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import BinaryIO, Literal, cast

from headrace.errors import InvalidInput
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.archive_members import ArchiveMember
from headrace.storage.containers import Container
from headrace.storage.expanding import Compression, ExpandingReader
from headrace.storage.member_names import looks_like_archive
from headrace.storage.tar_reading import TarReader
from headrace.storage.zip_reading import ZipReader

__all__ = ["ARCHIVE_SUFFIXES", "ArchiveKind", "archive_kind", "read_archive", "refuse_nested"]

ArchiveKind = Literal["zip", "tar", "tar.gz", "tar.zst"]

ARCHIVE_SUFFIXES: dict[str, ArchiveKind] = {
    ".zip": "zip",
    ".tar": "tar",
    ".tar.gz": "tar.gz",
    ".tgz": "tar.gz",
    ".tar.zst": "tar.zst",
    ".tzst": "tar.zst",
}

_EAGER_BYTES = 8 << 20  # members of a remote tar up to this size come with the block that held their header


def archive_kind(name: str) -> ArchiveKind | None:
    """What kind of archive a file is by its extension; None if it is none."""
    lower = name.lower()
    for suffix, kind in ARCHIVE_SUFFIXES.items():
        if lower.endswith(suffix):
            return kind
    return None


def read_archive(
    container: Container,
    *,
    kind: ArchiveKind,
    limits: ArchiveLimits,
    allow_nested: bool = True,
    raw: BinaryIO | None = None,  # read a compressed tar from this stream instead of opening the container
) -> Iterator[ArchiveMember]:
    """Files of an archive in archive order; folders, hidden files and macOS's own are left out.

    Members of a zip and of a plain tar are read on demand and from any thread; those of a compressed tar come with
    their bytes.

    Raises:
        InvalidInput: Names the archive and the member: unsafe or repeated names, links, devices, encryption, sizes that
            are not as declared, limits passed, damage. Found while iterating, or while a member is read.
    """
    if kind == "zip":
        yield from _read_zip(container, limits=limits, allow_nested=allow_nested)
    elif kind == "tar":
        yield from _read_plain_tar(container, limits=limits, allow_nested=allow_nested)
    else:
        yield from _read_compressed_tar(container, kind=kind, limits=limits, allow_nested=allow_nested, raw=raw)


def _read_zip(container: Container, *, limits: ArchiveLimits, allow_nested: bool) -> Iterator[ArchiveMember]:
    reader = ZipReader(container, limits=limits, allow_nested=allow_nested)
    is_local = container.path is not None
    for entry in reader.entries():
        # In a bucket it would take a request for each member, one after the other.
        offset = reader.stored_offset(entry) if is_local else None
        yield ArchiveMember(entry.path, entry.size, offset=offset, fetch=partial(reader.read, entry, start=offset))


def _read_plain_tar(container: Container, *, limits: ArchiveLimits, allow_nested: bool) -> Iterator[ArchiveMember]:
    with container.open() as stream:
        reader = TarReader(stream, name=container.name, size=container.size, limits=limits, allow_nested=allow_nested)
        is_remote = container.path is None
        for entry in reader.entries():
            data = None
            if is_remote and entry.size <= _EAGER_BYTES:
                data = reader.read_content(entry)
            if not allow_nested:
                refuse_nested(data if data is not None else container.read_at(entry.offset, 512), entry.path, container)
            fetch = partial(container.read_at, entry.offset, entry.size) if is_remote and data is None else None
            yield ArchiveMember(entry.path, entry.size, offset=entry.offset, data=data, fetch=fetch)


def _read_compressed_tar(
    container: Container,
    *,
    kind: ArchiveKind,
    limits: ArchiveLimits,
    allow_nested: bool,
    raw: BinaryIO | None,
) -> Iterator[ArchiveMember]:
    compression: Compression = "gzip" if kind == "tar.gz" else "zstd"
    with (
        container.open() if raw is None else nullcontext(raw) as compressed,
        ExpandingReader(compressed, compression=compression, name=container.name, limits=limits) as expanding,
    ):
        reader = TarReader(
            cast(BinaryIO, expanding), name=container.name, size=None, limits=limits, allow_nested=allow_nested
        )
        for entry in reader.entries():
            data = reader.read_content(entry)
            if not allow_nested:
                refuse_nested(data[:512], entry.path, container)
            yield ArchiveMember(entry.path, entry.size, data=data)
        # The rest is read too, so that damage behind the end mark and the stream's own checksum are noticed.
        while expanding.read(1 << 20):
            pass


def refuse_nested(head: bytes, path: str, container: Container) -> None:
    """Raise `InvalidInput` where a member's first bytes are those of an archive."""
    if looks_like_archive(head):
        raise InvalidInput(
            f"member {path!r} is an archive itself; expected files only, so unpack it first", file=container.name
        )
