from __future__ import annotations

import json
from typing import Any

import pytest

from headrace.errors import InvalidInput
from headrace.streaming.order import Order
from headrace.streaming.state import Segment, StreamState


def _state(num_segments: int = 1) -> StreamState:
    order = Order(10**9, "block", 7, lanes=128, block_rows=4_096, window_blocks=8)
    segments = [Segment("a" * 64, "b" * 64, order, 3, 0, 900_000_000 + idx) for idx in range(num_segments)]
    return StreamState(tuple(segments), steps=12)


def test_a_state_goes_through_json() -> None:
    state = _state(2)
    assert StreamState.from_json(json.loads(json.dumps(state.to_json()))) == state
    assert state.current == state.segments[-1]


def test_a_state_is_a_few_hundred_bytes() -> None:
    assert len(json.dumps(_state().to_json())) < 500
    assert len(json.dumps(_state(8).to_json())) < 4_096


@pytest.mark.parametrize("document", [None, [], {}, {"format": 1}, "state", {"segments": []}])
def test_what_is_no_state_is_refused(document: object) -> None:
    with pytest.raises(InvalidInput, match=r"expected what state_dict\(\) gave"):
        StreamState.from_json(document)


@pytest.mark.parametrize("change", [{"format": 2}, {"order_version": 2}, {"order_version": None}])
def test_another_version_is_named(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="Resume with the version that wrote it"):
        StreamState.from_json({**_state().to_json(), **change})


@pytest.mark.parametrize("segments", [[], [{}], [7], [{"snapshot": "a", "plan": "b", "order": {"lanes": 0}}]])
def test_a_damaged_state_says_so(segments: list[object]) -> None:
    with pytest.raises(InvalidInput, match=r"expected what state_dict\(\) gave"):
        StreamState.from_json({**_state().to_json(), "segments": segments})
