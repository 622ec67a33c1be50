"""Draws are those of splitmix64, whatever the version of NumPy."""

from __future__ import annotations

import numpy as np

from headrace.curation.dedup.mixing import drawn_numbers, mixed


def test_mixing_is_that_of_splitmix64() -> None:
    """The first outputs of its reference implementation for the seed 1234567."""
    states = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert mixed(states).tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_draws_depend_on_seed_and_stream_and_not_on_their_number() -> None:
    draws = drawn_numbers(1_000, seed=3)
    assert drawn_numbers(10, seed=3).tolist() == draws[:10].tolist()
    for others in (drawn_numbers(1_000, seed=4), drawn_numbers(1_000, seed=3, stream=1), drawn_numbers(1_000, seed=-3)):
        assert len({*draws.tolist(), *others.tolist()}) == 2_000
    assert drawn_numbers(0, seed=3).tolist() == []
