"""The log: numbered, chained, immutable entries, each claimed by one conditional put.

    log/0000000001.json ◀─ previous ─ log/0000000002.json ◀─ previous ─ … the first free number is the head

Appends commute: who loses the race for a number reads the winner, rebuilds its entry on top and takes the next.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from headrace.errors import DataCorrupted, HeadraceError, InvalidInput, NotFound, Unavailable
from headrace.storage.canonical import JsonValue, read_json
from headrace.storage.checkpoints import Checkpoint, Checkpoints, StateForm
from headrace.storage.digests import digest_hex
from headrace.storage.sealed import read_sealed, seal
from headrace.storage.store import ObjectStat, ObjectStore
from headrace.units import format_timestamp, parse_timestamp

__all__ = ["FORMAT", "EntryLog", "LogEntry", "LogState", "now_microseconds"]

FORMAT = 1
_logger = logging.getLogger(__name__)

_MAX_ATTEMPTS = 1_000
_MAX_ENTRY_BYTES = 16 * 1024 * 1024
_REPLAY_WINDOW = 64
_PARALLEL_READS = 16
_PROBED_ENTRIES = 16


def now_microseconds() -> int:
    """The machine's clock in microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change, as written."""

    number: int  # from 1, dense
    previous: str | None  # BLAKE3 hex of the entry before; in the first of the log's name, None in old lakes
    transaction: str  # random, tells our own entry from a rival's with the same content
    time: int  # microseconds since 1970, strictly growing along the log
    actor: str
    operation: str
    body: Mapping[str, JsonValue]
    digest: str  # BLAKE3 hex of the stored bytes

    @property
    def created_at(self) -> str:
        """The entry's time, ISO 8601 in UTC."""
        return format_timestamp(self.time)


def log_name_digest(base: str) -> str:
    """What the first entry of the log below `base` continues, BLAKE3 hex: no entry of another log does."""
    return digest_hex(f"headrace.log.1/{base}".encode())


class LogState(Protocol):
    """What a log's entries add up to. `apply` is called once for each entry, in order."""

    def apply(self, entry: LogEntry) -> None: ...

    def copy(self) -> Self:
        """A state that later entries do not change."""
        ...


S = TypeVar("S", bound=LogState)


class EntryLog(Generic[S]):
    """One log below `base` ("" or "datasets/<uid>/") and the state that it adds up to.

    Safe to use from several threads. Opening reads the newest checkpoint and the entries after it, or
    all entries when there is none or it is damaged; nothing is read before the first call.
    """

    def __init__(
        self,
        store: ObjectStore,
        base: str,
        *,
        state: S,
        actor: str,
        clock: Callable[[], int] = now_microseconds,
        pause: Callable[[float], None] = time.sleep,
        form: StateForm[S] | None = None,
    ) -> None:
        """`pause` waits so many seconds after a lost race; a simulation passes its own time in.

        `form` is how the state looks in a checkpoint; without it there are none.
        """
        self._store = store
        self._base = base
        self._initial = state.copy()
        self._state = state
        self._published: S | None = None  # copy for readers, made anew when an entry was applied since
        self._actor = actor
        self._clock = clock
        self._pause = pause
        self.checkpoints: Checkpoints[S] = Checkpoints(store, base, form)
        self._lock = threading.RLock()
        self._number = 0
        self._beginning = log_name_digest(base)
        self._digest = self._beginning
        self._time = 0
        self._settled = 0  # the last entry that is known to survive a power cut, with all before it
        self._is_open = False
        self._is_whole = False  # whether a listing showed that nothing lies behind the last entry

    @property
    def number(self) -> int:
        """The last entry that was read or written here."""
        return self._number

    @property
    def digest(self) -> str:
        """BLAKE3 hex of the last entry that was read or written here; before the first that of the log's name."""
        return self._digest

    def refresh(self) -> S:
        """The state after the newest entry of the store; what is returned never changes."""
        with self._lock:
            if not self._is_open:
                self._open()
                self._is_open = True
            else:
                self._read_tail()
            if self._published is None:
                self._published = self._state.copy()
            return self._published

    def append(self, operation: str, plan: Callable[[S], Mapping[str, JsonValue] | None]) -> LogEntry | None:
        """Claim the next number durably and return the entry; None if `plan` found nothing to do.

        `plan` makes the body from the newest state; it is called again after each lost race, and may raise to refuse.

        Raises:
            DataCorrupted: An entry is missing before later ones.
            Unavailable: The store did not say whether the entry was written, or rivals won for minutes.
        """
        with self._lock:
            for attempt in range(_MAX_ATTEMPTS):
                state = self.refresh()
                if not self._is_whole:
                    self._read_before_gap(self._number + 1)  # else a lost entry's number would be given again
                    self._is_whole = True
                body = plan(state)
                self.settle()
                if body is None:
                    return None
                number = self._number + 1
                data = self._serialise(operation, body)
                created = self._store.put_new(self.key(number), data)
                # A retry inside the store's client may have met our own first try: only the bytes tell.
                stored = data if created else self._read_bytes(number)
                self._settled = number  # either way the entry of that number is durable now
                entry = self._parse(stored, number, is_verified=stored == data)
                self._apply(entry)  # a rival's too: it need not be read a second time
                if stored == data:
                    self.checkpoints.write_if_due(
                        number, entry.digest, time=entry.time, operation=operation, state=self._state
                    )
                    return entry
                self._pause(random.random() * min(0.002 * 2 ** min(attempt, 8), 0.5))  # noqa: S311 - jitter, no secret
        raise Unavailable(
            f"entry of {self._store.uri}/{self._base}log lost {_MAX_ATTEMPTS} races in a row; nothing was "
            "changed, try again"
        )

    def settle(self) -> None:
        """Make durable what was read here, before anybody is told of it or anything is built on it.

        A writer that was killed between its claim and its sync leaves an entry that a power cut may still take back,
        and with it the meaning of "that is done already" and of every later number.
        """
        with self._lock:
            if self._settled < self._number and self._store.is_local:
                self._store.put(self.key(self._number), self._read_bytes(self._number))
                self._settled = self._number

    def entries(self, *, after: int = 0) -> Iterator[LogEntry]:
        """Entries with a number above `after`, read from the log itself with the chain checked."""
        previous = self._beginning
        number = after + 1
        if after:
            previous = self._parse(self._read_bytes(after), after).digest
        while True:
            data = self._try_read(number) or self._read_before_gap(number)
            if data is None:
                return
            entry = self._parse(data, number)
            self._check_chain(entry, previous)
            yield entry
            previous = entry.digest
            number += 1

    def key(self, number: int) -> str:
        """The object key of an entry."""
        return f"{self._base}log/{number:010d}.json"

    def check_checkpoint(self) -> None:
        """Compare the checkpoints with the log; for `verify`, because opening goes on without them.

        Raises:
            DataCorrupted: One of their objects is not what was written, or the newest not what the log adds up to.
        """
        self.checkpoints.check(self._replay)

    def rebuild(self) -> list[ObjectStat]:
        """Read the log from its first entry and write a new checkpoint in place of all others, which are returned.

        Raises:
            DataCorrupted: The log is damaged; its checkpoints stay.
        """
        with self._lock:
            self._restart()
            self._read_tail()
            self._check_end()
            self._is_open = True
            removed = self.checkpoints.remove_all()
            if self._number:
                self.checkpoints.write(self._number, self._digest, time=self._time, state=self._state)
            return removed

    def _open(self) -> None:
        for checkpoint in self.checkpoints.newest(rebuild=lambda number: self._replay(number)[0]):
            try:
                is_done = self._continue_from(checkpoint) if checkpoint.state else self._continue_entries(checkpoint)
            except NotFound as error:
                _logger.warning("checkpoint ignored log=%s/%slog error=%s", self._store.uri, self._base, error)
                continue
            if is_done:
                return
        # A checkpoint only saves time: the log itself is what counts.
        self._restart()
        self._read_tail()
        self._check_end()

    def _restart(self) -> None:
        self._state = self._initial.copy()
        self._published = None
        self._number, self._digest, self._time = 0, self._beginning, 0

    def _continue_from(self, checkpoint: Checkpoint[S]) -> bool:
        """Take the state of a checkpoint and the entries after it; False if it does not belong to this log."""
        stored, is_end = self._read_from(checkpoint.number)
        if not stored:
            raise DataCorrupted(
                f"{self._store.uri}/{self.key(checkpoint.number)} is missing, but {checkpoint.key} was written after "
                "it; restore it from a copy of the lake"
            )
        if digest_hex(stored[0]) != checkpoint.digest or checkpoint.state is None:
            _logger.warning("checkpoint of another log ignored key=%s/%s", self._store.uri, checkpoint.key)
            return False
        self._restart()
        self._state = checkpoint.state
        self._number, self._digest, self._time = checkpoint.number, checkpoint.digest, checkpoint.time
        self.checkpoints.continue_from(checkpoint)
        for number, data in enumerate(stored[1:], checkpoint.number + 1):
            self._apply(self._parse(data, number))
        if not is_end:
            self._check_end()
        return True

    def _read_from(self, first: int) -> tuple[list[bytes], bool]:
        """The stored entries from a number on, up to the first that is missing, and whether none comes after it."""
        if self._store.is_local:
            stored: list[bytes] = []
            while (data := self._try_read(first + len(stored))) is not None:
                stored.append(data)
            # Listing a folder of many entries takes longer than all the rest; `append` and `verify` do it.
            missing = first + len(stored)
            later = range(missing + 1, missing + 1 + _PROBED_ENTRIES)
            return stored, all(self._store.stat(self.key(number)) is None for number in later)
        keys = [stat.key for stat in self._store.list(f"{self._base}log/", start_after=self.key(first - 1))]
        wanted = [key for number, key in enumerate(keys, first) if key == self.key(number)]
        if not wanted:
            data = self._try_read(first)  # a listing may lag behind; the entry itself says whether it is there
            return [] if data is None else [data], not keys
        with ThreadPoolExecutor(min(len(wanted), _PARALLEL_READS)) as pool:
            return list(pool.map(self._store.get, wanted)), len(wanted) == len(keys)

    def _continue_entries(self, checkpoint: Checkpoint[S]) -> bool:
        """Take the entries that a checkpoint of format 1 repeats, and those after it."""
        try:
            self._restart()
            for number, data in enumerate(self.checkpoints.entries(checkpoint), 1):
                self._apply(self._parse(data, number, is_verified=True))
            if self._digest != checkpoint.digest:
                raise DataCorrupted(f"{self._store.uri}/{checkpoint.key} does not belong to this log")
        except DataCorrupted as error:
            _logger.warning("checkpoint ignored log=%s/%slog error=%s", self._store.uri, self._base, error)
            return False
        self._read_tail()
        self._check_end()
        return True

    def _replay(self, upto: int) -> tuple[S, str]:
        """State and digest after an entry, from the log itself."""
        state = self._initial.copy()
        previous = self._beginning
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            for first in range(1, upto + 1, _REPLAY_WINDOW):
                numbers = range(first, min(first + _REPLAY_WINDOW, upto + 1))
                read = map if self._store.is_local else pool.map
                for number, data in zip(numbers, read(self._try_read, numbers), strict=True):
                    if data is None:
                        raise DataCorrupted(
                            f"{self._store.uri}/{self.key(number)} is missing, but a checkpoint was written after it; "
                            "restore it from a copy of the lake"
                        )
                    entry = self._parse(data, number)
                    self._check_chain(entry, previous)
                    self._take_in(state, entry)
                    previous = entry.digest
        return state, previous

    def _read_bytes(self, number: int) -> bytes:
        return self._store.get(self.key(number))

    def _read_tail(self) -> None:
        if self._store.is_local:
            while True:
                try:
                    data = self._read_bytes(self._number + 1)
                except NotFound:
                    return
                self._apply(self._parse(data, self._number + 1))
        next_data = self._try_read(self._number + 1)
        if next_data is None:
            return  # the usual case costs one request
        self._apply(self._parse(next_data, self._number + 1))
        # Gallop in growing windows of parallel reads: latency is paid once a window, and one entry, which is what a
        # rival mostly was ahead by, costs two more reads.
        window = 2
        with ThreadPoolExecutor(16) as pool:
            while True:
                first = self._number + 1
                for offset, data_or_none in enumerate(pool.map(self._try_read, range(first, first + window))):
                    if data_or_none is None:
                        return
                    self._apply(self._parse(data_or_none, first + offset))
                window = min(window * 2, 64)

    def _try_read(self, number: int) -> bytes | None:
        try:
            return self._read_bytes(number)
        except NotFound:
            return None

    def _check_end(self) -> None:
        """Raise `DataCorrupted` if the log goes on after a missing entry; once, because it takes a listing."""
        while (data := self._read_before_gap(self._number + 1)) is not None:
            self._apply(self._parse(data, self._number + 1))
            self._read_tail()

    def _read_before_gap(self, number: int) -> bytes | None:
        """The entry of that number if there are later ones, else None: the log ends here."""
        later = next(self._store.list(f"{self._base}log/", start_after=self.key(number)), None)
        if later is None:
            return None
        data = self._try_read(number)  # it may have been written between the two looks
        if data is None:
            raise DataCorrupted(
                f"{self._store.uri}/{self.key(number)} is missing, but later entries are there, such as {later.key}; "
                "restore it from a copy of the lake"
            )
        return data

    def _serialise(self, operation: str, body: Mapping[str, JsonValue]) -> bytes:
        moment = max(self._clock(), self._time + 1)
        # The next entry holds this one's digest; until there is one, the seal alone shows bit rot.
        data = seal(
            {
                "format": FORMAT,
                "number": self._number + 1,
                "previous": self._digest,
                "transaction": secrets.token_hex(16),
                "time": format_timestamp(moment),
                "actor": self._actor,
                "operation": operation,
                "body": body,
            }
        )
        if len(data) > _MAX_ENTRY_BYTES:
            raise InvalidInput(
                f"the {operation} needs a log entry of {len(data):,} bytes, and {_MAX_ENTRY_BYTES:,} is the limit; use "
                "fewer columns or tags"
            )
        return data

    def _parse(self, data: bytes, number: int, *, is_verified: bool = False) -> LogEntry:
        name = f"{self._store.uri}/{self.key(number)}"
        document = read_json(data, name=name) if is_verified else read_sealed(data, name=name)
        try:
            if document["format"] > FORMAT:
                raise Unavailable(
                    f"{name} has format {document['format']}, this version of Headrace reads up to {FORMAT}; update "
                    "Headrace"
                )
            entry = LogEntry(
                number=document["number"],
                previous=document["previous"],
                transaction=document["transaction"],
                time=parse_timestamp(document["time"]),
                actor=document["actor"],
                operation=document["operation"],
                body=document["body"],
                digest=digest_hex(data),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataCorrupted(f"{name} is no log entry ({error!r}); restore it from a copy of the lake") from error
        if entry.number != number:
            raise DataCorrupted(f"{name} holds entry {entry.number}; the object was swapped or copied to a wrong place")
        return entry

    def _check_chain(self, entry: LogEntry, previous: str) -> None:
        if entry.previous == previous or (entry.previous is None and entry.number == 1):  # None: before 2026-11-21
            return
        name = f"{self._store.uri}/{self.key(entry.number)}"
        if entry.number == 1:
            raise DataCorrupted(
                f"{name} is the first entry of another log; the object was swapped or copied to a wrong place. Restore "
                "it from a copy of the lake"
            )
        raise DataCorrupted(
            f"{name} does not continue entry {entry.number - 1}: it expects digest {str(entry.previous)[:16]}…, the "
            f"entry before has {previous[:16]}…. One of the two was changed after it was written; restore it from a "
            "copy of the lake"
        )

    def _apply(self, entry: LogEntry) -> None:
        self._check_chain(entry, self._digest)
        self._published = None
        self._take_in(self._state, entry)
        self._number = entry.number
        self._digest = entry.digest
        self._time = entry.time

    def _take_in(self, state: S, entry: LogEntry) -> None:
        try:
            state.apply(entry)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, HeadraceError):
                raise
            raise DataCorrupted(
                f"{self._store.uri}/{self.key(entry.number)} holds no {entry.operation!r} as this version writes it "
                f"({error!r}); restore it from a copy of the lake"
            ) from error
