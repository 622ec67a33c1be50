"""The first call of an operator in a process has it for itself."""

from __future__ import annotations

from headrace.curation.executor.first_calls import FirstCalls


def test_calls_wait_until_one_came_through() -> None:
    calls = FirstCalls(2)
    first = calls.lock(0)
    assert first is not None
    with first:
        assert calls.lock(0) is first
        assert calls.lock(1) is not first
    assert calls.lock(0) is first  # it failed: the next one is the first again
    calls.came_through(0)
    assert calls.lock(0) is None
    assert calls.lock(1) is not None
