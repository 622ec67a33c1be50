"""Thumbnails are found in whatever form a column has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.curation.identity.thumbnails import THUMBNAIL_BYTES, THUMBNAIL_TYPE, ThumbnailColumn, thumbnail_numbers
from headrace.errors import InvalidInput

BYTES = [np.random.default_rng(seed).integers(0, 256, THUMBNAIL_BYTES, dtype=np.uint8).tobytes() for seed in range(5)]
LISTS = [thumbnail_numbers(each) for each in BYTES]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(THUMBNAIL_TYPE, id="fixed size"),
        pytest.param(pa.list_(pa.uint64()), id="lists"),
        pytest.param(pa.large_list(pa.uint64()), id="large lists"),
    ],
)
def test_rows_of_several_chunks_with_nulls_and_offsets(kind: Any) -> None:
    first = pa.array([None, LISTS[0], LISTS[1], None], kind)
    second = pa.array([LISTS[4], None, LISTS[2], LISTS[3]], kind).slice(1)
    column = pa.chunked_array([first, pa.array([], kind), second], kind)
    rows = np.array([6, 1, 5, 2])
    found = ThumbnailColumn(column, rows, "small")
    items = np.array([0, 3, 3, 2, 1])
    assert [each.tobytes() for each in found.of(items)] == [BYTES[3], BYTES[1], BYTES[1], BYTES[2], BYTES[0]]
    assert found.of(np.array([], dtype=np.int64)).shape == (0, THUMBNAIL_BYTES)


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pa.chunked_array([["text"]]), id="text"),
        pytest.param(pa.chunked_array([pa.array([[1, 2]], pa.list_(pa.uint64()))]), id="short"),
        pytest.param(pa.chunked_array([pa.array([[0.5] * 768], pa.list_(pa.float64()))]), id="floats"),
    ],
)
def test_other_columns_are_refused(column: pa.ChunkedArray) -> None:
    with pytest.raises(InvalidInput, match=r"column 'small' holds .* expected thumbnails of 768 numbers"):
        ThumbnailColumn(column, np.array([0]), "small")
