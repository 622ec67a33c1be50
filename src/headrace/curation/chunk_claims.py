"""Who works on which chunk just now, so that two machines on one lake share the work instead of doing it twice.

A claim saves time and decides nothing: results are claimed by their ledger. Its owner renews one object for all of its
claims; where that stops, they are void, and the next run clears them away.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import blake3

from headrace.curation.executor.step import Step
from headrace.curation.executor.task import Task
from headrace.errors import HeadraceError, NotFound
from headrace.storage.store import ObjectStore

__all__ = ["ChunkClaims"]

logger = logging.getLogger(__name__)

LEASE_SECONDS = 120.0


class ChunkClaims:
    """The claims of one stage. Not thread-safe; `release` them on every path."""

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
        self._owner = secrets.token_hex(8)
        self._record = json.dumps({"owner": self._owner, "host": socket.gethostname(), "pid": os.getpid()}).encode()
        self._held: list[str] = []
        self._is_released = threading.Event()
        self._renewing: threading.Thread | None = None

    def clear_void(self) -> None:
        """Remove what owners left that are gone."""
        for folder in ("claims/", "claim-owners/"):  # an owner goes last: without it nobody knows its process
            for stat in list(self._store.list(self._base + folder)):
                if self._is_void(stat.key):
                    with suppress(NotFound):
                        self._store.delete(stat.key)

    def take(self, task: Task) -> bool:
        """Whether the task is ours now."""
        if self._renewing is None:
            self._begin()
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
        if self._renewing is None:
            return
        self._is_released.set()
        self._renewing.join()
        self._renewing = None
        for key in (*self._held, self._owner_key(self._owner)):
            with suppress(NotFound):
                self._store.delete(key)
        self._held = []

    def _begin(self) -> None:
        """Say that we are here."""
        self._store.put(self._owner_key(self._owner), self._record)
        self._is_released.clear()
        self._renewing = threading.Thread(target=self._renew, name="headrace-claims", daemon=True)
        self._renewing.start()

    def _renew(self) -> None:
        while not self._is_released.wait(self._lease_seconds / 4):
            try:
                self._store.put(self._owner_key(self._owner), self._record)
            except HeadraceError as error:  # somebody may do our chunks a second time, no more
                logger.warning("claims not renewed: %s", error.message)

    def _put(self, key: str) -> bool:
        is_ours = self._store.put_new(key, self._record)
        if is_ours:
            self._held.append(key)
        return is_ours

    def _is_void(self, key: str) -> bool:
        """Whether the owner of a claim, or this owner, is gone or has not renewed for too long."""
        try:
            record = json.loads(self._store.get(key))
        except NotFound:  # given back meanwhile
            return True
        except ValueError:  # written by something else, or half
            return True
        stat = self._store.stat(self._owner_key(str(record.get("owner"))))
        if stat is None or self._clock() - stat.modified_at > self._lease_seconds:
            return True
        return record.get("host") == socket.gethostname() and not _is_alive(int(record.get("pid", 0)))

    def _owner_key(self, owner: str) -> str:
        return f"{self._base}claim-owners/{owner}"

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
    except (PermissionError, OverflowError):  # another user's process; a number of another kind of system
        return True
    return True
