"""Who works on which chunk just now, so that two machines on one lake share the work instead of doing it twice.

A claim saves time and decides nothing: results are claimed by their ledger. One whose owner is gone runs out.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import blake3

from headrace.curation.executor.step import Step
from headrace.curation.executor.task import Task
from headrace.errors import NotFound
from headrace.storage.store import ObjectStore

__all__ = ["ChunkClaims"]

LEASE_SECONDS = 120.0


class ChunkClaims:
    """The claims of one stage. Not thread-safe."""

    def __init__(
        self,
        store: ObjectStore,
        base: str,
        *,
        steps: list[Step],
        lease_seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`base` ends with a slash; `clock` gives seconds since 1970."""
        self._store = store
        self._base = base
        self._steps = steps
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._held: list[str] = []

    def take(self, task: Task) -> bool:
        """Whether the task is ours now."""
        key = self._key(task)
        if self._put(key):
            return True
        if self._is_void(key):
            with suppress(NotFound):
                self._store.delete(key)
            return self._put(key)
        return False

    def release(self) -> None:
        """Give all back."""
        for key in self._held:
            with suppress(NotFound):
                self._store.delete(key)
        self._held = []

    def _put(self, key: str) -> bool:
        owner = json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode()
        is_ours = self._store.put_new(key, owner)
        if is_ours:
            self._held.append(key)
        return is_ours

    def _is_void(self, key: str) -> bool:
        """Whether its owner is gone, or has not come back for too long."""
        stat = self._store.stat(key)
        if stat is None or self._clock() - stat.modified_at > self._lease_seconds:
            return True
        try:
            owner = json.loads(self._store.get(key))
        except NotFound:
            return True
        return owner.get("host") == socket.gethostname() and not _is_alive(int(owner.get("pid", 0)))

    def _key(self, task: Task) -> str:
        hasher = blake3.blake3()
        for step_idx, ids in zip(task.step_idxs, task.ids, strict=True):
            hasher.update(self._steps[step_idx].key.encode())
            hasher.update(ids.tobytes())
        return f"{self._base}claims/{hasher.hexdigest(length=20)}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
