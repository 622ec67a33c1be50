"""What lies where in a tar shard that is adopted: found by reading it once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, cast

import pyarrow as pa

from headrace.datasets.kept_indexes import changed_meanwhile, ipc_bytes
from headrace.datasets.media import IndexedMedia, MediaHeader, MediaProbe
from headrace.errors import InvalidInput
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.archives import refuse_nested
from headrace.storage.containers import Container
from headrace.storage.digests import check_of, digest_hex, digest_of
from headrace.storage.front_reading import open_front
from headrace.storage.tar_reading import TarReader

__all__ = ["IndexedMember", "ShardIndex", "ShardIndexer"]

_FORMAT = 1

_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("data", pa.binary()),  # of small files that say something of others; then no digest
        pa.field("digest", pa.binary(32)),
        pa.field("check", pa.binary(16)),
        pa.field("format", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("duration", pa.float64()),
        pa.field("refusal", pa.string()),  # why the probe refused the content
    ]
)


@dataclass(slots=True)
class IndexedMember:
    """One file of a shard."""

    path: str
    offset: int
    size: int
    data: bytes | None = None  # of a small file
    media: IndexedMedia | None = None  # of all others


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """All files of one shard in archive order, and the BLAKE3 hex of the whole shard."""

    members: list[IndexedMember]
    digest: str

    def encoded(self) -> bytes:
        """A byte form."""
        rows = self.members
        media = [member.media for member in rows]
        headers = [None if item is None else item.header for item in media]
        table = pa.table(
            [
                pa.array([member.path for member in rows], pa.string()),
                pa.array([member.offset for member in rows], pa.int64()),
                pa.array([member.size for member in rows], pa.int64()),
                pa.array([member.data for member in rows], pa.binary()),
                pa.array([None if item is None else item.digest for item in media], pa.binary(32)),
                pa.array([None if item is None else item.check for item in media], pa.binary(16)),
                *(
                    pa.array([None if header is None else header[idx] for header in headers], field.type)
                    for idx, field in enumerate(list(_SCHEMA)[6:10])
                ),
                pa.array([None if item is None else item.refusal for item in media], pa.string()),
            ],
            schema=_SCHEMA.with_metadata({"shard": self.digest}),
        )
        return ipc_bytes(table)

    @classmethod
    def decode(cls, data: bytes) -> ShardIndex:
        """Read the byte form."""
        table = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
        columns = [table.column(field.name).to_pylist() for field in _SCHEMA]
        members = [
            IndexedMember(
                path,
                offset,
                size,
                data,
                None if digest is None else IndexedMedia(digest, check, MediaHeader(*header), refusal),
            )
            for path, offset, size, data, digest, check, *header, refusal in zip(*columns, strict=True)
        ]
        return cls(members, (table.schema.metadata or {})[b"shard"].decode())


@dataclass(frozen=True, slots=True)
class ShardIndexer:
    """Reads one shard from front to back: one request, each byte hashed once for its value and once for the shard."""

    probe: MediaProbe | None
    small_suffixes: frozenset[str]  # of files whose content is text about others
    limits: ArchiveLimits
    allow_nested: bool

    def name(self, container: Container) -> str:
        """What names the index of a shard in exactly this version, made in exactly this way."""
        probe = "" if self.probe is None else self.probe.__qualname__
        parts = [str(_FORMAT), container.uri, container.version, probe, repr(self.limits), str(self.allow_nested)]
        return digest_hex("\0".join([*parts, *sorted(self.small_suffixes)]).encode())

    def decode(self, data: bytes) -> ShardIndex:
        """Read the byte form of an index."""
        return ShardIndex.decode(data)

    def index(self, container: Container) -> ShardIndex:
        """Read the shard.

        Raises:
            InvalidInput: It is damaged, holds what no archive may hold, or changed since it was listed.
        """
        stream = open_front(container)
        if stream.version != container.version:
            raise changed_meanwhile(container, stream.version)
        reader = TarReader(
            cast(BinaryIO, stream),
            name=container.name,
            size=container.size,
            limits=self.limits,
            allow_nested=self.allow_nested,
        )
        members: list[IndexedMember] = []
        for entry in reader.entries():
            data = reader.read_content(entry)
            if not self.allow_nested:
                refuse_nested(data[:512], entry.path, container)
            dot = entry.path.rfind(".")
            if dot >= 0 and entry.path[dot:].lower() in self.small_suffixes:
                members.append(IndexedMember(entry.path, entry.offset, entry.size, data=data))
                continue
            members.append(
                IndexedMember(
                    entry.path,
                    entry.offset,
                    entry.size,
                    media=self._media(data, f"{container.name}!{entry.path}"),
                )
            )
        digest = stream.finish()
        if stream.num_bytes != container.size:
            raise changed_meanwhile(container, f"{stream.num_bytes} bytes")
        if not members:
            raise InvalidInput("empty archive; expected at least one file that is not hidden", file=container.name)
        return ShardIndex(members, digest)

    def _media(self, data: bytes, name: str) -> IndexedMedia:
        header, refusal = MediaHeader(), None
        if self.probe is not None:
            try:
                header = self.probe(data, name)
            except InvalidInput as error:
                refusal = error.message.removeprefix(f"{name}: ")  # the shard may be named otherwise next time
        return IndexedMedia(digest_of(data), check_of(data), header, refusal)
