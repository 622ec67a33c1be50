"""What was found in files that are adopted, kept until their commit is in the log, so that no file is read twice."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from headrace.errors import DataCorrupted, HeadraceError, InvalidInput, NotFound
from headrace.storage.containers import Container
from headrace.storage.digests import digest_hex, digest_of
from headrace.storage.store import ObjectStore

__all__ = ["INDEX_PREFIX", "Indexer", "KeptIndexes", "changed_meanwhile", "forget_indexes", "ipc_bytes", "ordered"]

INDEX_PREFIX = "derived/adopt/"
"""Where indexes wait for their commit. They hold texts of rows and of small files, so a purge deletes them all."""

_DIGEST_BYTES = 32
_PARALLEL_DELETES = 16
_WRITTEN_BYTES = 256 << 20  # of adopted files
_WRITTEN_SECONDS = 1.0
_logger = logging.getLogger(__name__)


class _Encoded(Protocol):
    def encoded(self) -> bytes:
        """A byte form."""
        ...


Index = TypeVar("Index", bound=_Encoded)


Index_co = TypeVar("Index_co", bound=_Encoded, covariant=True)


class Indexer(Protocol[Index_co]):
    """Finds out what lies where in one file."""

    def name(self, container: Container) -> str:
        """What names the index of a file in exactly this version, made in exactly this way."""
        ...

    def index(self, container: Container) -> Index_co:
        """Read the file."""
        ...

    def decode(self, data: bytes) -> Index_co:
        """Read the byte form of an index."""
        ...


class KeptIndexes(Generic[Index]):
    """Indexes of files, kept in the lake soon after they are made, so that an interrupted adoption goes on.

    They are written many at a time, about once a second: that much work an interruption costs. Safe from several
    threads.
    """

    def __init__(self, store: ObjectStore, indexer: Indexer[Index]) -> None:
        self._store = store
        self._indexer = indexer
        self._lock = threading.Lock()
        self._made: list[tuple[str, bytes]] = []  # waiting to be written
        self._made_bytes = 0  # of their files
        self._written_at = time.monotonic()
        self._keys: list[str] = []
        self._kept: dict[str, tuple[bytes, str]] = {}  # name of an index to its bytes and its object's key

    def open(self, containers: Sequence[Container]) -> None:
        """Read what an earlier attempt left for these files."""
        names = {self._indexer.name(container) for container in containers}
        for stat in self._store.list(INDEX_PREFIX):
            try:
                pairs = _unpacked(self._store.get(stat.key), name=f"{self._store.uri}/{stat.key}")
            except (DataCorrupted, NotFound) as error:
                _logger.warning("indexes ignored error=%s", error)
                continue
            self._kept.update({name: (data, stat.key) for name, data in pairs if name in names})
        self._keys = sorted({key for _, key in self._kept.values()})

    def get(self, container: Container) -> Index:
        """The index of a file, read or made."""
        name = self._indexer.name(container)
        kept = self._kept.pop(name, None)
        if kept is not None:
            return self._indexer.decode(kept[0])
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
    body = ipc_bytes(table, compression="zstd")
    return digest_of(body) + body


def _unpacked(data: bytes, *, name: str) -> list[tuple[str, bytes]]:
    body = data[_DIGEST_BYTES:]
    if digest_of(body) != data[:_DIGEST_BYTES]:
        raise DataCorrupted(f"{name} is not what was written; delete it, it is made again")
    table = pa.ipc.open_stream(pa.py_buffer(body)).read_all()
    return list(zip(table.column("name").to_pylist(), table.column("index").to_pylist(), strict=True))


def ipc_bytes(table: pa.Table, *, compression: str | None = None) -> bytes:
    """A table as an Arrow stream.

    Compress only what holds many indexes: for the columns of a single one that took 2.4 of 4 ms a tar shard.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
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


def changed_meanwhile(container: Container, found: str) -> InvalidInput:
    """The error for a file that is not the one that was listed; `found` says what it is."""
    return InvalidInput(
        f"changed while it was adopted (listed as version {container.version}, read as {found}); commit again",
        file=container.name,
    )


def ordered(
    pool: ThreadPoolExecutor, containers: Sequence[Container], indexes: KeptIndexes[Index], *, ahead: int
) -> Iterator[Index]:
    """Indexes in the order of the files, at most `ahead` waiting."""
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
