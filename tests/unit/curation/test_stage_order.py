"""Stages in an order in which they can run."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.stage_order import find_cycle, ordered_stages


def test_order_is_that_of_the_file_where_it_can_be() -> None:
    assert ordered_stages({"c": ["a"], "a": ["source"], "b": ["source"]}) == ["a", "b", "c"]
    assert ordered_stages({"a": [], "b": [], "c": ["a", "b"]}) == ["a", "b", "c"]


def test_cycle_is_named_from_its_first_stage() -> None:
    reads = {"x": ["s"], "a": ["c"], "b": ["a", "x"], "c": ["b"], "d": ["a"]}
    assert find_cycle(reads) == ["a", "c", "b", "a"]
    assert ordered_stages(reads) == ["x"]


def test_stage_behind_a_cycle_is_not_in_it() -> None:
    assert find_cycle({"d": ["a"], "a": ["b"], "b": ["a"]}) == ["a", "b", "a"]


@given(st.dictionaries(st.integers(0, 8).map(str), st.lists(st.integers(0, 9).map(str), max_size=3)))
def test_each_stage_comes_after_what_it_reads_or_there_is_a_cycle(reads: dict[str, list[str]]) -> None:
    order = ordered_stages(reads)
    for idx, name in enumerate(order):
        assert all(origin in order[:idx] or origin not in reads for origin in reads[name])
    cycle = find_cycle(reads)
    assert bool(cycle) == (len(order) < len(reads))
    assert all(origin in reads[name] for name, origin in pairwise(cycle))
    assert not cycle or cycle[0] == cycle[-1]
