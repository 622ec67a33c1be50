"""Lines that say what was dropped and why."""

from __future__ import annotations

from headrace.curation.explaining import Explanation, StageVerdict
from headrace.demo.dropped_rows import DroppedRows, DroppedSample, drops_table, way_of_sample


def test_drops_table_gives_count_reason_and_example_of_each_stage() -> None:
    drops = [
        DroppedRows(
            "visible", 2177, 2097, 0, 80, DroppedSample("1:a", "filter", "entropy is not >= 3.5", "2.99901", "3.5")
        ),
        DroppedRows("compare", 2097, 2097, 0, 0, None),
        DroppedRows("merged", 2097, 1797, 0, 0, None),
    ]
    assert list(drops_table(drops)) == [
        "stage       in  dropped  why, for example",
        "visible  2,177       80  1:a: entropy is not >= 3.5: 2.999",
        "compare  2,097        0",
        "merged   2,097        0  2,097 rows are 1,797 digits",
    ]


def test_drops_table_names_the_sample_once_and_fits_the_line() -> None:
    sample = DroppedSample("2:x", "image.verify", "damaged: 2:x: the pixels\n  are " + "gone " * 30, None, None)
    assert str(sample).startswith("2:x: damaged: the pixels are gone")
    line = list(drops_table([DroppedRows("verify", 2, 1, 0, 1, sample)]))[1]
    assert len(line) == 76
    assert line.endswith("…")


def test_rows_that_became_one_are_neither_dropped_nor_in_quarantine() -> None:
    drops = DroppedRows("merged", 10, 4, 1, 2, None)
    assert drops.num_merged == 3
    assert drops.to_json()["example"] is None


def test_way_of_sample_tells_values_and_the_reason() -> None:
    stages = (
        StageVerdict("verify", "operators", "kept", {"entropy": (None, 6.05771), "format": (None, "png")}),
        StageVerdict("visible", "filter", "kept", {}),
        StageVerdict("distinct", "operator", "dropped", {}, "exact.duplicates", "duplicate of 1:a"),
    )
    assert list(way_of_sample(Explanation("run", "2:a", "digits", stages, ()))) == [
        "verify    kept     entropy = 6.05771, format = png",
        "visible   kept",
        "distinct  dropped  duplicate of 1:a",
    ]
