"""Whether a store keeps the promise on which the log stands: a taken key stays taken."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from headrace.errors import Conflict, HeadraceError
from headrace.storage.store import ObjectStore

__all__ = ["PROBE_PREFIX", "ProvenStores", "probe_conditional_puts"]

PROBE_PREFIX = "log/.probe-"
"""Keys that start so are probes; readers of the log skip them."""

_NUM_WRITERS = 8


class ProvenStores:
    """Remembers which stores have passed, so that each is probed once. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()

    def prove(self, name: str, probe: Callable[[], None]) -> None:
        """Run the probe unless the store of that name has passed one."""
        with self._lock:
            if name not in self._names:
                probe()
                self._names.add(name)


def probe_conditional_puts(store: ObjectStore) -> None:
    """Create one key twice, in sequence and from several threads, and see that one call alone succeeds.

    The probe's keys are unique and removed again.

    Raises:
        Conflict: A second writer won, or the first one's bytes were not there afterwards.
    """
    name = uuid.uuid4().hex
    sequential_key, concurrent_key = f"{PROBE_PREFIX}{name}-a", f"{PROBE_PREFIX}{name}-b"
    try:
        _probe_in_sequence(store, sequential_key)
        _probe_at_once(store, concurrent_key)
    finally:
        for key in (sequential_key, concurrent_key):
            # A credential without the right to delete can still commit; readers skip what stays.
            with contextlib.suppress(HeadraceError):
                store.delete(key)


def _probe_in_sequence(store: ObjectStore, key: str) -> None:
    first, second = b"first", b"second"
    if not store.put_new(key, first):
        raise Conflict(f"store {store.uri} says that the new key {key} is taken; {_REMEDY}")
    if store.put_new(key, second):
        raise Conflict(f"store {store.uri} let a second conditional write replace the first (key {key}); {_REMEDY}")
    if store.get(key) != first:
        raise Conflict(
            f"store {store.uri} reported a conditional write as refused, but it replaced the object {key}; {_REMEDY}"
        )


def _probe_at_once(store: ObjectStore, key: str) -> None:
    barrier = threading.Barrier(_NUM_WRITERS)

    def write(writer_idx: int) -> bool:
        barrier.wait(timeout=60)
        return store.put_new(key, b"writer %d" % writer_idx)

    with ThreadPoolExecutor(max_workers=_NUM_WRITERS) as pool:
        won = [writer_idx for writer_idx, is_first in enumerate(pool.map(write, range(_NUM_WRITERS))) if is_first]
    if len(won) != 1:
        raise Conflict(
            f"store {store.uri} told {len(won)} of {_NUM_WRITERS} concurrent writers that they created {key}, "
            f"expected exactly one; {_REMEDY}"
        )
    if store.get(key) != b"writer %d" % won[0]:
        raise Conflict(f"store {store.uri} holds another writer's bytes than the winner's in {key}; {_REMEDY}")


_REMEDY = (
    "commits would be lost there, so nothing is written. It ignores `If-None-Match: *`: some gateways do so in buckets "
    "with versioning (switch versioning off), older ones everywhere (update the gateway, or use another store)"
)
