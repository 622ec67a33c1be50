"""Objects that a diagnosis writes to see whether it can; each is removed again, whatever happens."""

from __future__ import annotations

import contextlib
import uuid

from headrace.errors import HeadraceError, InvalidInput, NotFound, PermissionDenied
from headrace.storage.probe import PROBE_PREFIX
from headrace.storage.store import ObjectStore

__all__ = ["TrialKeys"]


class TrialKeys:
    """Writes under keys that nobody has, and that readers of a lake pass over should one stay behind."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._written: list[str] = []

    def put(self, data: bytes) -> str:
        """Write under a fresh key, which is noted before."""
        key = f"{PROBE_PREFIX}doctor-{uuid.uuid4().hex}"
        self._written.append(key)
        try:
            self._store.put(key, data)
        except (InvalidInput, NotFound, PermissionDenied):
            self._written.remove(key)  # refused, not lost: nothing is there
            raise
        return key

    def remove_all(self) -> list[str]:
        """Delete what was written; the keys that may still be there."""
        left = []
        for key in self._written:
            try:
                self._store.delete(key)
            except HeadraceError:
                # A write without an answer may have arrived or not; only what is seen there is left.
                with contextlib.suppress(HeadraceError):
                    if self._store.stat(key) is None:
                        continue
                left.append(key)
        self._written = []
        return left
