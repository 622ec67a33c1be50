"""What a loader says that it waited for."""

from __future__ import annotations

import time

import numpy as np
import pytest

from headrace.streaming.loader_statistics import LoaderStatistics
from headrace.streaming.making import MadeBatch


def _figures(*, num_workers: int, seconds: float, first_wait: float, waits: float, **stages: float) -> LoaderStatistics:
    """After eleven batches of `seconds` altogether, each of which took the stages."""
    figures = LoaderStatistics("subprocess", num_workers)
    figures.begin(time.perf_counter() - seconds)
    for idx in range(11):
        made = MadeBatch({}, np.arange(4), seconds=dict(stages))
        figures.count(made, num_samples=4, num_padding=0, waited=waits if idx else first_wait, is_first=idx == 0)
    return figures


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        # As seen in a subprocess: waited 0.87 of 0.91 s, all stages 0.30 s over two threads.
        (_figures(num_workers=2, seconds=0.91, first_wait=0.1, waits=0.077, read=0.02, transform=0.01), "hand over"),
        (_figures(num_workers=2, seconds=4.0, first_wait=3.5, waits=0.01, read=0.02), "start"),
        (_figures(num_workers=2, seconds=4.0, first_wait=0.4, waits=0.2, read=0.1, transform=0.3), "transform"),
        (_figures(num_workers=0, seconds=4.0, first_wait=0.4, waits=0.4, read=0.3, transform=0.1), "read"),
        # Workers were busy beside a consumer that took its time: their work was not waited for, their start was.
        (_figures(num_workers=2, seconds=9.0, first_wait=2.0, waits=0.0, read=0.5), "start"),
        (_figures(num_workers=2, seconds=99.0, first_wait=0.4, waits=0.1, read=0.1), "consumer"),
        (LoaderStatistics("threads", 2), "consumer"),
    ],
)
def test_bottleneck_is_what_was_waited_for(figures: LoaderStatistics, expected: str) -> None:
    assert figures.bottleneck == expected
    assert figures.to_json()["bottleneck"] == expected
    assert min(figures.waits.values()) >= 0
    assert sum(figures.waits.values()) == pytest.approx(figures.wait_seconds)
