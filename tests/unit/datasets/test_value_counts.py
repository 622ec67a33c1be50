"""Counting of distinct values, below and above the limit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from headrace.datasets.value_counts import HashCounts, NumberCounts, TextCounts


def test_number_counts_quantiles_are_values_that_occur() -> None:
    counts = NumberCounts(100)
    counts.add(np.array([10, 20, 30, 40]))
    assert counts.quantiles() == {"0.05": 10, "0.25": 10, "0.5": 20, "0.75": 30, "0.95": 40}


def test_number_counts_histogram_holds_every_value_once() -> None:
    counts = NumberCounts(1000)
    numbers = np.random.default_rng(0).normal(size=500)
    counts.add(numbers)
    histogram = counts.histogram()
    assert histogram is not None
    assert sum(histogram.counts) == 500
    assert histogram.counts == np.histogram(numbers, bins=histogram.edges)[0].tolist()


def test_number_counts_sum_exactly() -> None:
    counts = NumberCounts(100)
    counts.add(np.array([2**62, 2**62, 5], dtype=np.int64))
    assert counts.total() == 2**63 + 5


def test_hash_counts_estimate_above_the_limit() -> None:
    hashes = np.random.default_rng(0).integers(0, 2**64, 50_000, dtype=np.uint64)
    counts = HashCounts(1000)
    for part in np.array_split(hashes, 7):
        counts.add(part)
        counts.add(part)
    assert counts.is_approximate
    assert abs(counts.num_distinct() / 50_000 - 1) < 0.2


def test_text_counts_top_is_exact_over_many_chunks() -> None:
    rng = np.random.default_rng(2)
    words = np.char.add("w", np.minimum(rng.zipf(1.3, 20_000), 5000).astype(str))
    expected: dict[str, int] = {}
    for word in words.tolist():
        expected[word] = expected.get(word, 0) + 1
    counts = TextCounts(1_000_000, num_top=20)
    for part in np.array_split(words, 11):
        values, numbers = np.unique(part, return_counts=True)
        counts.add(pa.array(values.tolist(), pa.large_string()), numbers.astype(np.int64))
    assert counts.num_distinct() == len(expected)
    assert counts.top(20) == sorted(expected.items(), key=lambda item: (-item[1], item[0]))[:20]
