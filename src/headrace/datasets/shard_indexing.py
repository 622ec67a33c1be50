"""What lies where in a tar shard that is adopted: found by reading it once, kept until its commit is in the log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, cast

import pyarrow as pa

from headrace.datasets.media import IndexedMedia, MediaHeader, MediaProbe
from headrace.errors import DataCorrupted, HeadraceError, InvalidInput, NotFound
from headrace.storage.archive_limits import ArchiveLimits
from headrace.storage.archives import refuse_nested
from headrace.storage.containers import Container
from headrace.storage.digests import check_of, digest_hex, digest_of
from headrace.storage.front_reading import open_front
from headrace.storage.store import ObjectStore
from headrace.storage.tar_reading import TarReader

__all__ = [
    "INDEX_PREFIX",
    "IndexedMember",
    "ShardIndex",
    "ShardIndexer",
    "ShardIndexes",
    "forget_indexes",
    "ordered",
]

INDEX_PREFIX = "derived/adopt/"
"""Where indexes wait for their commit. They hold the text of small files, so a purge deletes them all."""

_FORMAT = 1
_DIGEST_BYTES = 32
_PARALLEL_DELETES = 16
_WRITTEN_BYTES = 256 << 20  # of shards
_WRITTEN_SECONDS = 1.0
_logger = logging.getLogger(__name__)

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
        return _ipc_bytes(table)

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

    def index(self, container: Container) -> ShardIndex:
        """Read the shard.

        Raises:
            InvalidInput: It is damaged, holds what no archive may hold, or changed since it was listed.
        """
        stream = open_front(container)
        if stream.version != container.version:
            raise _changed(container, stream.version)
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
            raise _changed(container, f"{stream.num_bytes} bytes")
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


class ShardIndexes:
    """Indexes of shards, kept in the lake soon after they are made, so that an interrupted adoption goes on.

    They are written many at a time, about once a second: that much work an interruption costs. Safe from several
    threads.
    """

    def __init__(self, store: ObjectStore, indexer: ShardIndexer) -> None:
        self._store = store
        self._indexer = indexer
        self._lock = threading.Lock()
        self._made: list[tuple[str, bytes]] = []  # waiting to be written
        self._made_bytes = 0  # of their shards
        self._written_at = time.monotonic()
        self._keys: list[str] = []
        self._kept: dict[str, tuple[bytes, str]] = {}  # name of an index to its bytes and its object's key

    def open(self, containers: Sequence[Container]) -> None:
        """Read what an earlier attempt left for these shards."""
        names = {self._indexer.name(container) for container in containers}
        for stat in self._store.list(INDEX_PREFIX):
            try:
                pairs = _unpacked(self._store.get(stat.key), name=f"{self._store.uri}/{stat.key}")
            except (DataCorrupted, NotFound) as error:
                _logger.warning("indexes ignored error=%s", error)
                continue
            self._kept.update({name: (data, stat.key) for name, data in pairs if name in names})
        self._keys = sorted({key for _, key in self._kept.values()})

    def get(self, container: Container) -> ShardIndex:
        """The index of a shard, read or made."""
        name = self._indexer.name(container)
        kept = self._kept.pop(name, None)
        if kept is not None:
            return ShardIndex.decode(kept[0])
        index = self._indexer.index(container)
        data = index.encoded()
        with self._lock:
            self._made.append((name, data))
            self._made_bytes += container.size
            is_due = self._made_bytes >= _WRITTEN_BYTES or time.monotonic() - self._written_at >= _WRITTEN_SECONDS
            batch = self._made if is_due else []
            if is_due:
                self._made, self._made_bytes, self._written_at = [], 0, time.monotonic()
        if batch:
            self._write(batch)
        return index

    def forget(self) -> None:
        """Delete those that were read or written: their commit is in the log."""
        _delete(self._store, self._keys)

    def _write(self, batch: Sequence[tuple[str, bytes]]) -> None:
        data = _packed(batch)
        key = f"{INDEX_PREFIX}{digest_hex(data)}"
        with self._lock:
            self._keys.append(key)
        self._store.put(key, data)


def _packed(pairs: Sequence[tuple[str, bytes]]) -> bytes:
    """Several indexes with their names, sealed by the digest before them."""
    table = pa.table({"name": [name for name, _ in pairs], "index": pa.array([data for _, data in pairs], pa.binary())})
    body = _ipc_bytes(table)
    return digest_of(body) + body


def _unpacked(data: bytes, *, name: str) -> list[tuple[str, bytes]]:
    body = data[_DIGEST_BYTES:]
    if digest_of(body) != data[:_DIGEST_BYTES]:
        raise DataCorrupted(f"{name} is not what was written; delete it, it is made again")
    table = pa.ipc.open_stream(pa.py_buffer(body)).read_all()
    return list(zip(table.column("name").to_pylist(), table.column("index").to_pylist(), strict=True))


def _ipc_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def forget_indexes(store: ObjectStore) -> None:
    """Delete all indexes that wait for a commit; whoever is adopting makes them again."""
    _delete(store, [stat.key for stat in store.list(INDEX_PREFIX)])


def _delete(store: ObjectStore, keys: Sequence[str]) -> None:
    def delete(key: str) -> None:
        try:
            store.delete(key)
        except HeadraceError as error:  # what stays is deleted by the next purge or collection
            _logger.warning("index not deleted key=%s error=%s", key, error)

    if store.is_local:
        for key in keys:
            delete(key)
    elif keys:
        with ThreadPoolExecutor(_PARALLEL_DELETES, thread_name_prefix="headrace-adopt") as pool:
            list(pool.map(delete, keys))


def _changed(container: Container, found: str) -> InvalidInput:
    return InvalidInput(
        f"changed while it was adopted (listed as version {container.version}, read as {found}); commit again",
        file=container.name,
    )


def ordered(
    pool: ThreadPoolExecutor, containers: Sequence[Container], indexes: ShardIndexes, *, ahead: int
) -> Iterator[ShardIndex]:
    """Indexes in the order of the shards, at most `ahead` waiting."""
    pending = [pool.submit(indexes.get, container) for container in containers[:ahead]]
    try:
        for idx in range(len(containers)):
            index = pending.pop(0).result()
            if idx + ahead < len(containers):
                pending.append(pool.submit(indexes.get, containers[idx + ahead]))
            yield index
    finally:
        for future in pending:
            future.cancel()
