"""Histograms with a cut, and their text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from headrace.cli.stage_report import histogram_lines
from headrace.curation.stage_histogram import ColumnNumbers, CountedNumbers, Cut, StageHistogram, draw_histogram
from tests.stage_lakes import open_stage_store, put_rows


def numbers(values: Sequence[float | None]) -> CountedNumbers:
    counted = CountedNumbers()
    counted.add(np.array([np.nan if value is None else value for value in values], dtype=np.float64))
    return counted


def drawn(
    kept: Sequence[float | None], dropped: Sequence[float | None] = (), *, cuts: Sequence[Cut] = ()
) -> StageHistogram:
    found = draw_histogram("blur", kept=numbers(kept), dropped=numbers(dropped), cuts=cuts)
    assert found is not None
    return found


@pytest.mark.parametrize("is_lower", [True, False], ids=["at least", "above"])
def test_no_bin_has_rows_of_both_sides_of_a_cut(is_lower: bool) -> None:
    values = [*np.linspace(0.3, 97.3, 500).tolist(), 20.0]
    above = [value for value in values if value > 20 or (is_lower and value == 20)]
    below = [value for value in values if value not in above]
    found = drawn(above, below, cuts=[Cut(20.0, "blur > 20", is_lower)])
    assert found.kept is not None
    assert found.dropped is not None
    assert (sum(found.kept), sum(found.dropped)) == (len(above), len(below))
    ((_, bins_below),) = found.cuts
    assert sum(found.kept[:bins_below]) == 0
    assert sum(found.dropped[bins_below:]) == 0
    assert len(found.kept) == 20


def test_column_is_read_in_parts_and_dropped_is_the_rest(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    came = pa.table({"v": pa.array([1.0, 2.0, None, float("nan"), 5.0, float("inf")], pa.float64())})
    kept = came.filter(pa.array([False, True, False, False, True, False]))
    found = draw_histogram(
        "v",
        kept=ColumnNumbers(store, put_rows(store, kept, part_rows=1), "v"),
        before=ColumnNumbers(store, put_rows(store, came, part_rows=2), "v"),
        cuts=[Cut(2.0, "v >= 2", True)],
    )
    assert found is not None
    assert found.to_json() == {
        "column": "v",
        "scale": "linear",
        "edges": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "kept": [0, 1, 0, 0, 1],
        "dropped": [1, 0, 0, 0, 0],
        "cuts": [{"value": 2.0, "text": "v >= 2", "bins_below": 1}],
        "kept_missing": 0,
        "dropped_missing": 3,
    }


def test_values_over_many_magnitudes_get_bins_that_grow() -> None:
    values = np.random.default_rng(0).lognormal(3, 2, 2_000)
    found = drawn(values.tolist())
    assert found.scale == "log"
    assert found.kept is not None
    assert max(found.kept) < 800
    assert drawn(np.linspace(1, 1000, 2_000).tolist()).scale == "linear"


def test_nothing_one_value_and_large_values() -> None:
    assert draw_histogram("blur", kept=numbers([None])) is None
    assert drawn([0.5]).kept == (1,)
    assert drawn([7, 7]).edges == (7.0, 8.0)
    huge = drawn([-1.7e308, 1.7e308])
    assert huge.kept is not None
    assert sum(huge.kept) == 2


@pytest.mark.parametrize(
    ("number", "is_lower", "bins_below"),
    [(-5.0, True, 0), (99.0, True, 3), (2.0, True, 1), (2.0, False, 2), (2.5, True, 2)],
    ids=["below all", "above all", "at least", "above", "between"],
)
def test_cut_stands_between_the_bins(number: float, is_lower: bool, bins_below: int) -> None:
    found = drawn([1, 2, 3], cuts=[Cut(number, "cut", is_lower)])
    assert [place for _, place in found.cuts] == [bins_below]


def test_text_fits_in_80_columns_and_shows_every_row_that_is_there() -> None:
    kept = [float(value) for value in range(1_000_000, 2_000_000, 100)]
    found = drawn(kept, [900_000.0], cuts=[Cut(950_000.0, "größe >= 950000 " + "long " * 30, True)])
    lines = list(histogram_lines(found))
    assert max(len(line) for line in lines) <= 80
    cut = next(place for place, line in enumerate(lines) if "cut:" in line)
    assert "░" in "".join(lines[1:cut])
    assert "█" not in "".join(lines[1:cut])
    assert "░" not in "".join(lines[cut:])
    assert len([line for line in histogram_lines(drawn([1, 1, 1], [2]), width=40) if len(line) > 40]) == 0
