"""The default collate: what is stacked, what stays a list, and which room is taken as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace.streaming.collating import collate
from headrace.streaming.samples import OutputBuffers


def _rooms(num_samples: int) -> tuple[OutputBuffers, list[np.ndarray]]:
    buffers = OutputBuffers(num_samples, np.empty)
    rooms = [buffers.output("image", idx, (3, 3), np.dtype(np.int64)) for idx in range(num_samples)]
    for idx, room in enumerate(rooms):
        room[:] = np.arange(9).reshape(3, 3) + 100 * idx
    return buffers, rooms


def test_rooms_are_taken_without_a_copy() -> None:
    buffers, rooms = _rooms(2)
    assert collate([{"image": room} for room in rooms], buffers)["image"] is buffers.arrays["image"]


@pytest.mark.parametrize(
    "change", [np.transpose, lambda a: a[::-1], lambda a: a[:, ::-1], lambda a: a + 1, np.copy], ids=range(5)
)
def test_room_that_a_later_transform_changed_is_stacked(change: Any) -> None:
    buffers, rooms = _rooms(2)
    images = [change(room) for room in rooms]
    assert np.array_equal(collate([{"image": image} for image in images], buffers)["image"], np.stack(images))


def test_rooms_in_another_order_are_stacked() -> None:
    buffers, rooms = _rooms(2)
    stacked = collate([{"image": room} for room in reversed(rooms)], buffers)["image"]
    assert np.array_equal(stacked, np.stack(rooms[::-1]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], np.array([1, 2])),
        ([1, 2.5], np.array([1.0, 2.5])),
        ([2.5, 1], np.array([2.5, 1.0])),
        ([np.int64(1), np.float32(2.5)], np.array([1.0, 2.5])),
        ([1, 2.5, True], [1, 2.5, True]),
        ([2.5, True], [2.5, True]),
        ([1, 2.5, None], [1, 2.5, None]),
        ([1, 2.5j], [1, 2.5j]),
        ([True, False], np.array([True, False])),
        ([1, True], [1, True]),
        ([1, None], [1, None]),
        (["a", "b"], ["a", "b"]),
        ([2**63, 1], [2**63, 1]),
        ([np.zeros(2), np.zeros(3)], None),
    ],
    ids=str,
)
def test_values_are_stacked_or_listed(values: list[Any], expected: Any) -> None:
    found = collate([{"x": value} for value in values])["x"]
    if expected is None:
        assert found == values or all(a is b for a, b in zip(found, values))
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        assert found.tolist() == expected.tolist()
    else:
        assert found == expected


def test_whole_number_that_no_float_holds_is_listed() -> None:
    values = [1.5, 10**400]
    assert collate([{"x": value} for value in values])["x"] == values


def test_missing_fields_and_nested_ones() -> None:
    found = collate([{"a": 1, "deep": {"b": 1}}, {"deep": {"b": 2}}])
    assert found["a"] == [1, None]
    assert found["deep"]["b"].tolist() == [1, 2]
