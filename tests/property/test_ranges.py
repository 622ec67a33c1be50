"""Laws of the plan that merges byte ranges."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInput
from headrace.storage.ranges import coalesce

_RANGES = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 200)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=60
)


@given(_RANGES, st.integers(0, 300), st.integers(1, 1000))
def test_coalesce_serves_every_range_from_its_fetch(
    ranges: list[tuple[int, int]], gap_bytes: int, max_bytes: int
) -> None:
    content = bytes(number % 251 for number in range(2300))
    plan = coalesce(ranges, gap_bytes=gap_bytes, max_bytes=max_bytes)
    fetched = [content[start:end] for start, end in plan.fetches]
    assert len(plan.pieces) == len(ranges)
    for (start, end), piece in zip(ranges, plan.pieces, strict=True):
        found = fetched[piece.fetch_idx][piece.start : piece.end] if piece.fetch_idx >= 0 else b""
        assert found == content[start:end]


@given(_RANGES, st.integers(0, 300), st.integers(1, 1000))
def test_coalesce_keeps_its_limits(ranges: list[tuple[int, int]], gap_bytes: int, max_bytes: int) -> None:
    plan = coalesce(ranges, gap_bytes=gap_bytes, max_bytes=max_bytes)
    assert list(plan.fetches) == sorted(plan.fetches)
    wanted = {offset for start, end in ranges for offset in range(start, end)}
    for start, end in plan.fetches:
        assert start in wanted
        assert end - 1 in wanted
        assert end - start <= max_bytes or (start, end) in ranges
        offsets = sorted(wanted.intersection(range(start, end)))
        assert all(after - before - 1 <= gap_bytes for before, after in itertools.pairwise(offsets))


@given(_RANGES, st.integers(0, 300))
def test_coalesce_leaves_no_two_close_fetches_apart(ranges: list[tuple[int, int]], gap_bytes: int) -> None:
    plan = coalesce(ranges, gap_bytes=gap_bytes, max_bytes=10_000)
    for (_, end), (start, _) in itertools.pairwise(plan.fetches):
        assert start - end > gap_bytes
    assert plan.num_bytes == sum(end - start for start, end in plan.fetches)


@pytest.mark.parametrize("wanted", [(-1, 2), (3, 2)])
def test_coalesce_refuses_what_is_no_range(wanted: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput, match="byte range"):
        coalesce([(0, 1), wanted], gap_bytes=0, max_bytes=1)
