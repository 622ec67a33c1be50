"""Leases: a long write says that it is alive, so that garbage collection keeps what it wrote so far.

A write that ends within minutes takes none: the grace period of the collection covers it.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from types import TracebackType
from typing import Self

from headrace.errors import HeadraceError, NotFound
from headrace.storage.store import ObjectStore

__all__ = ["GRACE_SECONDS", "LEASES", "RENEW_SECONDS", "Lease", "oldest_lease", "remove_ended_leases"]

LEASES = "leases/"
GRACE_SECONDS = 86_400.0
"""How old an object must be before garbage collection takes it for left behind."""

RENEW_SECONDS = 600.0
_LIFE_SECONDS = 6 * RENEW_SECONDS

_logger = logging.getLogger(__name__)


class Lease:
    """Held while the body runs; after ten minutes it becomes visible, and a new sign of life follows each ten."""

    def __init__(self, store: ObjectStore, base: str, *, renew_seconds: float = RENEW_SECONDS) -> None:
        self._store = store
        self._stem = f"{base}{LEASES}{secrets.token_hex(8)}"
        self._renew_seconds = renew_seconds
        self._began = time.monotonic()
        self._is_over = threading.Event()
        self._keys: list[str] = []
        self._thread = threading.Thread(target=self._run, name="headrace-lease", daemon=True)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        for key in self._keys:
            with contextlib.suppress(HeadraceError):  # it ends by itself
                self._store.delete(key)

    def _run(self) -> None:
        while not self._is_over.wait(self._renew_seconds):
            key = f"{self._stem}-{len(self._keys):06d}"
            try:
                self._store.put_new(key, b"%.0f" % (time.monotonic() - self._began + 1))
            except HeadraceError as error:
                _logger.warning("lease not renewed key=%s error=%s", key, error)
                continue
            self._keys.append(key)


def remove_ended_leases(store: ObjectStore, base: str, *, now: float) -> None:
    """Remove what writers left that died."""
    for stat in list(store.list(base + LEASES)):
        if now - stat.modified_at >= _LIFE_SECONDS:
            store.delete(stat.key)


def oldest_lease(store: ObjectStore, base: str, *, now: float) -> float:
    """When the oldest write that is alive began, in seconds of the store's clock; `now` if there is none."""
    oldest = now
    for stat in store.list(base + LEASES):
        if now - stat.modified_at < _LIFE_SECONDS:
            with contextlib.suppress(ValueError, NotFound):  # foreign, or just ended: its age alone counts
                oldest = min(oldest, stat.modified_at - float(store.get(stat.key)))
            oldest = min(oldest, stat.modified_at)
    return oldest
