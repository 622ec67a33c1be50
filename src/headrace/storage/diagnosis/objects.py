"""What a store lets us do: list, write, read, delete, claim a key, and how fast."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from headrace.errors import Conflict, NotFound, PermissionDenied
from headrace.storage.diagnosis.latencies import format_latency
from headrace.storage.diagnosis.results import Finding, Measured
from headrace.storage.diagnosis.running import Check
from headrace.storage.diagnosis.trial_keys import TrialKeys
from headrace.storage.probe import probe_conditional_puts
from headrace.storage.store import ObjectStat, ObjectStore

__all__ = ["LAKE_KEY", "ObjectChecks"]

LAKE_KEY = "headrace.json"
"""The object by which a lake is known."""

_SMALL_BYTES = 1024
_LARGE_BYTES = 8 * 1024 * 1024
_SLOW_BYTES_PER_SECOND = 10_000_000
_SLOW_LIST_SECONDS = 2.0
_CORRUPTED = "Do not keep data there; check memory and disks of the service, and any proxy in between."


class ObjectChecks:
    """Checks of one store. Call `clean_up` at the end, whatever happened.

    Args:
        store: What is listed, and read where nothing may be written.
        trial_store: Where trial objects go, if not there too.
        timer: Seconds from any start, for what is measured.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        trial_store: ObjectStore | None = None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._store = store
        self._trial_store = store if trial_store is None else trial_store
        self._timer = timer
        self._keys = TrialKeys(self._trial_store)
        self._written: tuple[str, bytes] | None = None
        self._first_found: ObjectStat | None = None

    def checks(self, *, needs: tuple[str, ...]) -> list[Check]:
        """List, write, read, delete, conditional puts, throughput; `needs` holds for all."""
        return [
            Check("list", self._list, needs=needs),
            Check("write", self._write, needs=needs, is_writing=True),
            Check("read", self._read, needs=needs),
            Check("delete", self._delete, needs=(*needs, "write"), is_writing=True),
            Check("conditional puts", self._conditional_puts, needs=(*needs, "write"), is_writing=True),
            Check("throughput", self._throughput, needs=(*needs, "write", "read"), is_writing=True),
        ]

    def clean_up(self) -> list[str]:
        """Remove what was written; the keys that may still be there."""
        return self._keys.remove_all()

    def _list(self) -> Finding:
        started = self._timer()
        self._first_found = next(iter(self._store.list("")), None)
        seconds = self._timer() - started
        is_lake = self._store.stat(LAKE_KEY) is not None
        what = "a lake" if is_lake else "nothing there yet" if self._first_found is None else "objects, no lake"
        measured: Measured = {"seconds": seconds, "is_lake": is_lake, "is_empty": self._first_found is None}
        value = f"{what}; {format_latency(seconds)}"
        if seconds > _SLOW_LIST_SECONDS:
            return Finding(
                "warn", value, detail="Opening a lake lists its log.",
                remedy="Use a store nearer to this machine, or find out what slows it down.", measured=measured,
            )  # fmt: skip
        return Finding("ok", value, measured=measured)

    def _write(self) -> Finding:
        data = os.urandom(_SMALL_BYTES)
        started = self._timer()
        key = self._keys.put(data)
        seconds = self._timer() - started
        self._written = key, data
        return Finding("ok", f"1 KiB in {format_latency(seconds)}", measured={"seconds": seconds})

    def _read(self) -> Finding:
        """Our own object if there is one, else the beginning of any."""
        expected: bytes | None = None
        if self._written is not None:
            key, expected = self._written
        elif self._first_found is not None:
            key = self._first_found.key
        else:
            return Finding("skip", "not tried: nothing there to read")
        started = self._timer()
        if expected is not None:
            data = self._trial_store.get(key)
        else:
            end = min(_SMALL_BYTES, self._first_found.size if self._first_found else 0)
            (data,) = self._store.get_ranges(key, [(0, end)])
        seconds = self._timer() - started
        if expected is not None and data != expected:
            return Finding("fail", "other bytes than were written", remedy=_CORRUPTED)
        return Finding("ok", f"{len(data):,} bytes in {format_latency(seconds)}", measured={"seconds": seconds})

    def _delete(self) -> Finding:
        if self._written is None:
            return Finding("skip", "not tried: see write")
        key, _ = self._written
        started = self._timer()
        try:
            self._trial_store.delete(key)
        except PermissionDenied as error:
            return Finding(
                "warn", "refused",
                detail="Commits work without it; small objects of probes stay, and nothing can be collected.",
                remedy=error.message,
            )  # fmt: skip
        seconds = self._timer() - started
        self._written = None
        if self._trial_store.stat(key) is not None:
            return Finding(
                "warn", "deleted, and still there",
                detail=f"{key} is found after its deletion.",
                remedy="The service answers with old states. Ask its vendor for strong consistency.",
            )  # fmt: skip
        return Finding("ok", format_latency(seconds), measured={"seconds": seconds})

    def _conditional_puts(self) -> Finding:
        started = self._timer()
        try:
            probe_conditional_puts(self._trial_store)
        except Conflict as error:
            return Finding("fail", "a taken key was taken again", remedy=error.message)
        seconds = self._timer() - started
        return Finding("ok", "one winner, one by one and 8 at once", measured={"seconds": seconds})

    def _throughput(self) -> Finding:
        data = os.urandom(_LARGE_BYTES)
        started = self._timer()
        key = self._keys.put(data)
        put_seconds = max(self._timer() - started, 1e-9)
        started = self._timer()
        try:
            found = self._trial_store.get(key)
        except NotFound as error:
            return Finding("fail", "written, and not found", remedy=f"{error.message}. {_CORRUPTED}")
        get_seconds = max(self._timer() - started, 1e-9)
        if found != data:
            return Finding("fail", "other bytes than were written", remedy=_CORRUPTED)
        put_rate, get_rate = len(data) / put_seconds, len(data) / get_seconds
        value = f"put {put_rate / 1e6:,.0f} MB/s, get {get_rate / 1e6:,.0f} MB/s"
        measured: Measured = {
            "put_bytes_per_second": put_rate,
            "get_bytes_per_second": get_rate,
            "num_bytes": len(data),
        }
        if min(put_rate, get_rate) < _SLOW_BYTES_PER_SECOND:
            return Finding(
                "warn", value, detail="One object of 8 MiB, one request at a time; media wants more than 10 MB/s.",
                remedy="Use a bucket in this machine's region or network, or a faster disk.", measured=measured,
            )  # fmt: skip
        return Finding("ok", value, measured=measured)
