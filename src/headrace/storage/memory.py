"""Objects in this process's memory: for trying things and for tests."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from headrace.errors import DataCorrupted, InvalidInput, NotFound
from headrace.storage.keys import check_key, check_new_key, check_prefix
from headrace.storage.ranges import check_range, copy_into
from headrace.storage.store import Arrived, ObjectStat, Range
from headrace.storage.uris import StoreUri

__all__ = ["MemoryStore"]


@dataclass(slots=True)
class _Objects:
    """What bears one name; shared by all stores of that name."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    contents: dict[str, tuple[bytes, float]] = field(default_factory=dict)  # key -> bytes, time written


# `memory://name` means the same objects wherever it is opened in the process, as a bucket would. A worker
# process has its own: nothing that must be seen there belongs here.
_NAMED: dict[str, _Objects] = {}
_NAMED_LOCK = threading.Lock()


class MemoryStore:
    """Objects below `memory://name/path`; they are gone when the process ends. Safe from several threads."""

    def __init__(self, uri: str | StoreUri = "memory://default") -> None:
        location = StoreUri.parse(uri) if isinstance(uri, str) else uri
        if location.scheme != "memory":
            raise InvalidInput(f"MemoryStore holds memory:// locations only, got {location}")
        self._uri = str(location)
        self._prefix = f"{location.path}/" if location.path else ""
        with _NAMED_LOCK:
            self._objects = _NAMED.setdefault(location.bucket, _Objects())

    def __reduce__(self) -> tuple[type[MemoryStore], tuple[str]]:
        return MemoryStore, (self._uri,)

    def __repr__(self) -> str:
        return f"MemoryStore({self._uri!r})"

    @property
    def uri(self) -> str:
        return self._uri

    @property
    def is_local(self) -> bool:
        return True

    def get(self, key: str) -> bytes:
        check_key(key)
        with self._objects.lock:
            found = self._objects.contents.get(self._prefix + key)
        if found is None:
            raise NotFound(f"object {self._uri}/{key} does not exist")
        return found[0]

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> list[bytes]:
        data = self.get(key)
        found = []
        for start, end in ranges:
            check_range((start, end))
            if end > len(data):
                raise DataCorrupted(
                    f"object {self._uri}/{key} has {len(data):,} bytes, "
                    f"but bytes {start:,} to {end:,} of it were recorded"
                )
            found.append(data[start:end])
        return found

    def read_into(
        self, key: str, ranges: Sequence[Range], targets: Sequence[memoryview], *, arrived: Arrived | None = None
    ) -> None:
        copy_into(self, key, ranges, targets, arrived=arrived)

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        check_new_key(key)
        content = bytes(data)
        with self._objects.lock:
            if self._prefix + key in self._objects.contents:
                return False
            self._objects.contents[self._prefix + key] = (content, time.time())
            return True

    def put(self, key: str, data: bytes | memoryview) -> None:
        check_new_key(key)
        content = bytes(data)
        with self._objects.lock:
            self._objects.contents[self._prefix + key] = (content, time.time())

    def put_parts(self, key: str, buffers: Sequence[bytes | memoryview]) -> None:
        self.put(key, b"".join(buffers))

    def stat(self, key: str) -> ObjectStat | None:
        check_key(key)
        with self._objects.lock:
            found = self._objects.contents.get(self._prefix + key)
        return None if found is None else _object_stat(key, *found)

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectStat]:
        check_prefix(prefix)
        start = self._prefix + prefix
        with self._objects.lock:
            found = [
                (key[len(self._prefix) :], entry)
                for key, entry in self._objects.contents.items()
                if key.startswith(start)
            ]
        found.sort()
        return (_object_stat(key, *entry) for key, entry in found if start_after is None or key > start_after)

    def delete(self, key: str) -> None:
        check_key(key)
        with self._objects.lock:
            self._objects.contents.pop(self._prefix + key, None)

    def prepare_for_erasing(self) -> None:
        pass  # a deleted object is gone

    def prepare_for_writing(self) -> None:
        """Nothing to check: one lock guards every claim."""

    def clear(self) -> None:
        """Forget every object below this location."""
        with self._objects.lock:
            for key in [key for key in self._objects.contents if key.startswith(self._prefix)]:
                del self._objects.contents[key]


def _object_stat(key: str, content: bytes, modified_at: float) -> ObjectStat:
    return ObjectStat(key, len(content), hashlib.blake2b(content, digest_size=16).hexdigest(), modified_at)
