"""What rejected rows say."""

from __future__ import annotations

import pytest

from headrace.datasets.batches import Origin, RejectedRow
from headrace.datasets.types.row_failures import RowFailures, reason_of
from headrace.errors import InvalidInput


@pytest.mark.parametrize(
    ("error", "member", "reason"),
    [
        (InvalidInput("is cut off", file="/data/cat/a.jpg"), "cat/a.jpg", "is cut off"),
        (InvalidInput("is cut off", file="/data/cat/a.jpg"), None, "/data/cat/a.jpg: is cut off"),
        (InvalidInput("is cut off", file="/data/cat/b.jpg"), "cat/a.jpg", "/data/cat/b.jpg: is cut off"),
        (InvalidInput("is no JSON", file="/data/cat/a.json", line=3), "cat/a.json", "/data/cat/a.json:3: is no JSON"),
        (InvalidInput("is cut off"), "cat/a.jpg", "is cut off"),
    ],
)
def test_reason_leaves_out_the_file_that_the_row_names(error: InvalidInput, member: str | None, reason: str) -> None:
    assert reason_of(error, member) == reason


def test_rejected_error_names_its_file_once() -> None:
    failures = RowFailures("skip", [Origin("file:///data")])
    failures.reject_error(InvalidInput("is cut off", file="/data/a.jpg"), origin_idx=0, member="a.jpg")
    assert failures.drain() == [RejectedRow("file:///data", "a.jpg", None, "is cut off")]
    assert failures.drain() == []
