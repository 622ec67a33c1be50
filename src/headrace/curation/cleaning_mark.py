"""Runs and the removal of old results keep out of each other's way: each says that it is there, then looks.

A run writes down that it runs, then waits until nobody cleans. Who cleans puts a mark, then looks for runs and leaves
if there is one. Whatever the order, at least one of the two sees the other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress

from headrace.datasets.collector_process import has_died, this_process
from headrace.errors import NotFound, Unavailable
from headrace.storage.store import ObjectStore

__all__ = ["CLEANING_SECONDS", "CleaningMark", "wait_while_cleaned"]

CLEANING_SECONDS = 300.0
"""How long one cleaning removes at most."""

_VOID_SECONDS = 3 * CLEANING_SECONDS
_LOOK_SECONDS = 0.5


class CleaningMark:
    """Says that results below one base are being removed."""

    def __init__(self, store: ObjectStore, base: str) -> None:
        """`base` ends with a slash."""
        self._store = store
        self._key = _key(base)

    def take(self) -> bool:
        """Whether it is ours now; one that somebody left who died is taken over."""
        if self._store.put_new(self._key, json.dumps({"process": this_process()}).encode()):
            return True
        if not _is_void(self._store, self._key, now=time.time()):
            return False
        self._store.delete(self._key)
        return self._store.put_new(self._key, json.dumps({"process": this_process()}).encode())

    def release(self) -> None:
        """Let runs go on."""
        self._store.delete(self._key)


def wait_while_cleaned(
    store: ObjectStore,
    base: str,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when nobody removes results below the base.

    Raises:
        Unavailable: That did not end in time.
    """
    began = clock()
    while store.stat(_key(base)) is not None and not _is_void(store, _key(base), now=clock()):
        if clock() - began > _VOID_SECONDS:
            raise Unavailable(
                f"results below {store.uri}/{base} have been cleaned for {_VOID_SECONDS:,.0f} seconds; if no "
                f"'headrace recipe clean' runs any more, delete {store.uri}/{_key(base)}"
            )
        sleep(_LOOK_SECONDS)


def _key(base: str) -> str:
    return f"{base}cleaning"


def _is_void(store: ObjectStore, key: str, *, now: float) -> bool:
    """Whether who put the mark is gone, or has had more time than it may take."""
    stat = store.stat(key)
    if stat is None or now - stat.modified_at > _VOID_SECONDS:
        return True
    with suppress(NotFound, ValueError, AttributeError):
        return has_died(json.loads(store.get(key)).get("process"))
    return False
