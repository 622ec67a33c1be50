"""Which requests to send for many small byte ranges of one object."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headrace.errors import InvalidInput
from headrace.storage.store import Arrived, ObjectStore, Range

__all__ = ["FetchPlan", "Piece", "check_range", "coalesce", "copy_into", "neighbouring"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Where one wanted range lies in what is fetched."""

    fetch_idx: int  # -1 for an empty range, which needs no request
    start: int  # within the fetched bytes
    end: int


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """Requests in ascending order, and for each wanted range, in the order asked, where its bytes are."""

    fetches: tuple[Range, ...]
    pieces: tuple[Piece, ...]

    @property
    def num_bytes(self) -> int:
        """Bytes that the requests transfer."""
        return sum(end - start for start, end in self.fetches)


def check_range(wanted: Range) -> None:
    """Raise `InvalidInput` unless 0 <= start <= end."""
    start, end = wanted
    if start < 0 or end < start:
        raise InvalidInput(f"byte range [{start}, {end}) is not a range; expected 0 <= start <= end")


def neighbouring(
    ranges: Sequence[Range], *, gap_bytes: int, max_ranges: int, max_bytes: int | None = None
) -> Iterator[tuple[int, int]]:
    """Runs [first, last) of ranges that follow each other in the object with at most `gap_bytes` between them.

    The runs cover all ranges in the order given; ranges that overlap or go backwards start a new run. A run has at
    most `max_bytes`, unless it is a single range.
    """
    limit = sys.maxsize if max_bytes is None else max_bytes
    first = 0
    for idx in range(1, len(ranges)):
        gap = ranges[idx][0] - ranges[idx - 1][1]
        is_apart = gap < 0 or gap > gap_bytes
        if is_apart or idx - first >= max_ranges or ranges[idx][1] - ranges[first][0] > limit:
            yield first, idx
            first = idx
    if ranges:
        yield first, len(ranges)


def coalesce(ranges: Sequence[Range], *, gap_bytes: int, max_bytes: int) -> FetchPlan:
    """Merge ranges that lie close together.

    Two ranges share a request when at most `gap_bytes` unwanted bytes lie between them and the request stays
    within `max_bytes`. A single range is never cut, so it alone may exceed `max_bytes`.
    """
    for wanted in ranges:
        check_range(wanted)
    fetches: list[Range] = []
    pieces = [Piece(-1, 0, 0)] * len(ranges)
    for range_idx in sorted(range(len(ranges)), key=ranges.__getitem__):
        start, end = ranges[range_idx]
        if start == end:
            continue
        if fetches:
            fetch_start, fetch_end = fetches[-1]
            merged_end = max(fetch_end, end)
            # A range inside the last request always joins it: fetching the same bytes twice gains nothing.
            if end <= fetch_end or (start - fetch_end <= gap_bytes and merged_end - fetch_start <= max_bytes):
                fetches[-1] = (fetch_start, merged_end)
                pieces[range_idx] = Piece(len(fetches) - 1, start - fetch_start, end - fetch_start)
                continue
        fetches.append((start, end))
        pieces[range_idx] = Piece(len(fetches) - 1, 0, end - start)
    return FetchPlan(tuple(fetches), tuple(pieces))


def copy_into(
    store: ObjectStore, key: str, ranges: Sequence[Range], targets: Sequence[memoryview], *, arrived: Arrived | None
) -> None:
    """`ObjectStore.read_into` of a store whose ranges come as bytes."""
    for data, target in zip(store.get_ranges(key, ranges), targets, strict=True):
        target[:] = data
    if arrived is not None:
        arrived(0, len(ranges))
