"""The seams of a lake, store and disk, with a named point before and after every call.

A point reads `before link dataset log`: when, which call, on what kind of object. Nothing sleeps and nothing is
patched: the wrappers go in where any other store or disk would.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from headrace.storage.disk import Disk
from headrace.storage.store import Arrived, ObjectStat, ObjectStore, Range
from proofs.object_kinds import kind_of

__all__ = ["AtPoint", "KindInHand", "PointCounter", "SteppedDisk", "SteppedStore"]

AtPoint = Callable[[str], None]
"""Is told the name of each point as it is reached, and may never return."""


class PointCounter:
    """Counts how often each point is reached; several threads may reach them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, point: str) -> None:
        with self._lock:
            self.counts[point] += 1


class SteppedStore:
    """Passes every call on to another store."""

    def __init__(self, store: ObjectStore, at_point: AtPoint, *, kinds: KindInHand) -> None:
        self._store = store
        self._at_point = at_point
        self._kinds = kinds

    @property
    def uri(self) -> str:
        return self._store.uri

    @property
    def is_local(self) -> bool:
        return self._store.is_local

    def get(self, key: str) -> bytes:
        with self._step("get", key):
            return self._store.get(key)

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> list[bytes]:
        with self._step("get_ranges", key):
            return self._store.get_ranges(key, ranges)

    def read_into(
        self, key: str, ranges: Sequence[Range], targets: Sequence[memoryview], *, arrived: Arrived | None = None
    ) -> None:
        with self._step("read_into", key):
            self._store.read_into(key, ranges, targets, arrived=arrived)

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        with self._step("put_new", key):
            return self._store.put_new(key, data)

    def put(self, key: str, data: bytes | memoryview) -> None:
        with self._step("put", key):
            self._store.put(key, data)

    def put_parts(self, key: str, buffers: Sequence[bytes | memoryview]) -> None:
        with self._step("put_parts", key):
            self._store.put_parts(key, buffers)

    def stat(self, key: str) -> ObjectStat | None:
        with self._step("stat", key):
            return self._store.stat(key)

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectStat]:
        with self._step("list", prefix):
            return self._store.list(prefix, start_after=start_after)

    def delete(self, key: str) -> None:
        with self._step("delete", key):
            self._store.delete(key)

    def prepare_for_writing(self) -> None:
        with self._step("prepare_for_writing", ""):
            self._store.prepare_for_writing()

    def prepare_for_erasing(self) -> None:
        with self._step("prepare_for_erasing", ""):
            self._store.prepare_for_erasing()

    @contextmanager
    def _step(self, call: str, key: str) -> Iterator[None]:
        kind = kind_of(key)
        self._at_point(f"before {call} {kind}")
        with self._kinds.holding(kind):
            yield
        self._at_point(f"after {call} {kind}")


class SteppedDisk:
    """Passes every call on to another disk; a write is made in two pieces, with a point between them."""

    def __init__(self, disk: Disk, at_point: AtPoint, *, kinds: KindInHand) -> None:
        self._disk = disk
        self._at_point = at_point
        self._kinds = kinds

    def create(self, path: str) -> int:
        with self._step("create"):
            return self._disk.create(path)

    def write(self, descriptor: int, buffers: Sequence[memoryview]) -> None:
        with self._step("write"):
            whole = memoryview(b"".join(buffers))
            half = len(whole) // 2
            self._disk.write(descriptor, [whole[:half]])
            self._at_point(f"amid write {self._kinds.kind}")
            self._disk.write(descriptor, [whole[half:]])

    def sync_file(self, descriptor: int) -> None:
        with self._step("sync_file"):
            self._disk.sync_file(descriptor)

    def close(self, descriptor: int) -> None:
        with self._step("close"):
            self._disk.close(descriptor)

    def link(self, source: str, target: str) -> None:
        with self._step("link"):
            self._disk.link(source, target)

    def unlink(self, path: str) -> None:
        with self._step("unlink"):
            self._disk.unlink(path)

    def make_folder(self, path: str) -> None:
        with self._step("make_folder"):
            self._disk.make_folder(path)

    def sync_folder(self, path: str) -> None:
        with self._step("sync_folder"):
            self._disk.sync_folder(path)

    @contextmanager
    def _step(self, call: str) -> Iterator[None]:
        self._at_point(f"before disk.{call} {self._kinds.kind}")
        yield
        self._at_point(f"after disk.{call} {self._kinds.kind}")


class KindInHand(threading.local):
    """What kind of object the thread's current call to the store is about; the disk knows only paths."""

    kind = "folder"

    @contextmanager
    def holding(self, kind: str) -> Iterator[None]:
        before, self.kind = self.kind, kind
        try:
            yield
        finally:
            self.kind = before
