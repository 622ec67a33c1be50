"""Checkpoints keep opening a long log cheap: every 64 entries, immutable, made of shared segments.

A segment is the entries of one run of numbers, one JSON line each, named by its digest. Runs are 64 · 8^k long, as the
digits of an octal number, so a log of a million entries has at most 7 segments of each length and each entry is copied
about log8 of its number of times. Segments and checkpoints are derived: deleting them loses nothing but time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from headrace.errors import DataCorrupted, HeadraceError
from headrace.storage.digests import digest_hex, require_digest
from headrace.storage.sealed import read_sealed, seal
from headrace.storage.store import ObjectStore

__all__ = ["INTERVAL", "Checkpoint", "Checkpoints", "Segment"]

INTERVAL = 64
_FANOUT = 8
_LAST = 9_999_999_999

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Segment:
    """Entries first..last, both included."""

    first: int
    last: int
    digest: str  # BLAKE3 hex of the lines


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All entries up to `number`, whose digest is `digest`."""

    number: int
    digest: str
    segments: tuple[Segment, ...]
    key: str


class Checkpoints:
    """Checkpoints of the log below `base`."""

    def __init__(self, store: ObjectStore, base: str) -> None:
        self._store = store
        self._base = base

    def newest(self) -> Checkpoint | None:
        """The checkpoint with the highest number; one listing, because names count downwards."""
        for stat in self._store.list(f"{self._base}checkpoints/"):
            if stat.key.endswith(".json"):
                return self._read(stat.key)
        return None

    def entries(self, checkpoint: Checkpoint) -> Iterator[bytes]:
        """The stored bytes of each entry up to the checkpoint, in order, digests verified."""
        for segment in checkpoint.segments:
            yield from self._lines(segment)

    def write_if_due(self, number: int, digest: str, read_entry: Callable[[int], bytes]) -> None:
        """Write the checkpoint for `number` if one belongs there. A failure is logged, never raised: the entry
        stands."""
        if number % INTERVAL:
            return
        try:
            self.write(number, digest, read_entry)
        except HeadraceError as error:
            _logger.warning("checkpoint not written base=%s number=%d error=%s", self._base, number, error)

    def write(self, number: int, digest: str, read_entry: Callable[[int], bytes]) -> None:
        """Write the checkpoint for `number`, a multiple of the interval, reusing the newest one's segments."""
        before = self.newest()
        known = {} if before is None else {(segment.first, segment.last): segment for segment in before.segments}
        segments: list[Segment] = []
        for first, last in segment_runs(number):
            segment = known.get((first, last))
            if segment is None:
                lines = b"".join(line + b"\n" for line in self._collect(first, last, list(known.values()), read_entry))
                segment = Segment(first, last, digest_hex(lines))
                self._store.put(self._segment_key(segment), lines)
            segments.append(segment)
        document = {
            "format": 1,
            "number": number,
            "digest": digest,
            "segments": [{"first": item.first, "last": item.last, "digest": item.digest} for item in segments],
        }
        self._store.put_new(f"{self._base}checkpoints/{_LAST - number:010d}.json", seal(document))

    def _collect(
        self, first: int, last: int, known: list[Segment], read_entry: Callable[[int], bytes]
    ) -> Iterator[bytes]:
        number = first
        while number <= last:
            segment = next((item for item in known if item.first == number and item.last <= last), None)
            if segment is None:
                yield read_entry(number)
                number += 1
            else:
                yield from self._lines(segment)
                number = segment.last + 1

    def _lines(self, segment: Segment) -> Iterator[bytes]:
        key = self._segment_key(segment)
        data = self._store.get(key)
        require_digest(data, segment.digest, name=f"{self._store.uri}/{key}")
        yield from data.splitlines()

    def _read(self, key: str) -> Checkpoint:
        name = f"{self._store.uri}/{key}"
        document = read_sealed(self._store.get(key), name=name)
        try:
            segments = tuple(Segment(item["first"], item["last"], item["digest"]) for item in document["segments"])
            return Checkpoint(document["number"], document["digest"], segments, key)
        except (KeyError, TypeError) as error:
            raise DataCorrupted(
                f"{name} is no checkpoint ({error!r}); delete the folder '{self._base}checkpoints', it is rebuilt from "
                "the log"
            ) from error

    def _segment_key(self, segment: Segment) -> str:
        return f"{self._base}checkpoints/segments/{segment.digest}.jsonl"


def segment_runs(number: int) -> list[tuple[int, int]]:
    """Runs (first, last) that cover 1..number, longest first; `number` is a multiple of the interval."""
    runs: list[tuple[int, int]] = []
    first = 1
    length = INTERVAL
    while length * _FANOUT <= number:
        length *= _FANOUT
    while length >= INTERVAL:
        while first + length - 1 <= number:
            runs.append((first, first + length - 1))
            first += length
        length //= _FANOUT
    return runs
