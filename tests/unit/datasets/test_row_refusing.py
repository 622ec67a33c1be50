"""Rows that break a rule are raised with their place, or written down."""

from __future__ import annotations

import pyarrow as pa
import pytest

from headrace.datasets.batches import Origin, RejectedRow, SampleBatch
from headrace.datasets.row_keys import RepeatedKey
from headrace.datasets.row_refusing import RowRefuser
from headrace.errors import InvalidInput

_ORIGINS = [Origin("file:///data/first.csv"), Origin("file:///data/zweite ü.zip")]


def _batch() -> SampleBatch:
    """A line of the first origin, a member of the second."""
    return SampleBatch(
        {"a": pa.array([1, 2])}, num_rows=2, origin_idx=[0, 1], members=[None, "bild ü.jpg"], lines=[7, None]
    )


def test_invalid_row_is_raised_with_its_line() -> None:
    refuser = RowRefuser(_ORIGINS, on_invalid="raise", raises_repeated_keys=False)
    with pytest.raises(InvalidInput, match=r"first\.csv.*7.*no key"):
        refuser.refuse(_batch(), 0, "no key")
    assert refuser.num_rejected == 0


def test_error_of_a_value_without_a_line_is_raised_as_it_is() -> None:
    refuser = RowRefuser(_ORIGINS, on_invalid="raise", raises_repeated_keys=False)
    error = InvalidInput("no picture", file="bild ü.jpg")
    with pytest.raises(InvalidInput) as raised:
        refuser.refuse(_batch(), 1, str(error), error=error)
    assert raised.value is error


def test_left_out_rows_are_written_down_and_counted_beyond_the_limit() -> None:
    refuser = RowRefuser(_ORIGINS, on_invalid="skip", raises_repeated_keys=False)
    refuser.refuse(_batch(), 0, "no key")
    refuser.refuse(_batch(), 1, "broken")
    assert refuser.rejected == [
        RejectedRow("file:///data/first.csv", None, 7, "no key"),
        RejectedRow("file:///data/zweite ü.zip", "bild ü.jpg", None, "broken"),
    ]
    refuser.add([RejectedRow("memory:dicts", None, line, "bad") for line in range(1, 10_001)])
    assert (len(refuser.rejected), refuser.num_rejected) == (10_000, 10_002)


def test_repeated_keys_are_raised_where_they_can_be_told_apart_even_if_invalid_rows_are_left_out() -> None:
    refuser = RowRefuser(_ORIGINS, on_invalid="skip", raises_repeated_keys=True)
    with pytest.raises(RepeatedKey):
        refuser.refuse(_batch(), 0, "twice", is_repeat=True)
    refuser.refuse(_batch(), 0, "no key")
    assert refuser.num_rejected == 1


def test_place_of_a_row_names_file_member_and_line() -> None:
    refuser = RowRefuser(_ORIGINS, on_invalid="raise", raises_repeated_keys=False)
    assert refuser.place(_batch(), 0).endswith("first.csv:7")
    assert refuser.place(_batch(), 1).endswith("bild ü.jpg")
