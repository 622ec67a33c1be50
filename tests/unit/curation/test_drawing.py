"""Orders drawn from ids, and quotas."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.curation.drawing import draw_order, quotas
from headrace.errors import InvalidInput

IDS = st.lists(st.text(), max_size=30, unique=True)


@given(IDS, st.integers(-(2**63), 2**63 - 1))
def test_order_holds_every_row_once_and_follows_the_ids(ids: list[str], seed: int) -> None:
    ids = [text.encode("utf-8", "replace").decode() for text in ids]
    ids = list(dict.fromkeys(ids))
    order = draw_order(pa.array(ids, pa.string()), seed=seed).tolist()
    assert sorted(order) == list(range(len(ids)))
    backwards = draw_order(pa.array(ids[::-1], pa.string()), seed=seed).tolist()
    assert [ids[idx] for idx in order] == [ids[::-1][idx] for idx in backwards]


def test_order_is_fixed_for_ever() -> None:
    """A recipe drawn today must draw the same rows in ten years; this changes only with the context's number."""
    assert draw_order(pa.array(list("abcdefgh")), seed=7).tolist() == [2, 6, 3, 7, 5, 0, 4, 1]


def test_order_looks_random() -> None:
    ids = pa.array([f"{idx:05d}" for idx in range(4000)])
    ranks = np.argsort(draw_order(ids, seed=1))
    assert abs(np.corrcoef(ranks, np.arange(4000))[0, 1]) < 0.05


def test_seed_beyond_64_bits_is_refused() -> None:
    with pytest.raises(InvalidInput, match="64 bits"):
        draw_order(pa.array(["a"]), seed=2**63)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20)), min_size=1, max_size=6), st.integers(0, 60))
def test_quotas_are_exact_within_limits(groups: list[tuple[int, int]], num_rows: int) -> None:
    shares = [Fraction(share) for share, _ in groups]
    limits = [limit for _, limit in groups]
    taken = quotas(shares, limits=limits, num_rows=num_rows)
    assert all(0 <= part <= limit for part, limit in zip(taken, limits))
    assert sum(taken) == min(num_rows, sum(limit for share, limit in zip(shares, limits) if share))


def test_largest_remainder_and_ties() -> None:
    assert quotas([Fraction(1)] * 3, limits=[9] * 3, num_rows=4) == [2, 1, 1]
    assert quotas([Fraction(5), Fraction(3), Fraction(1)], limits=[99] * 3, num_rows=10) == [6, 3, 1]
    assert quotas([Fraction(1)] * 3, limits=[1, 9, 9], num_rows=9) == [1, 4, 4]
