from __future__ import annotations

import threading

import pytest

from headrace.storage.fan_out import in_order
from headrace.storage.memory import MemoryStore
from tests.scripted_store import fresh_memory_uri


class _Distant(MemoryStore):
    is_local = False


def test_local_reads_happen_one_after_the_other_when_asked_for() -> None:
    done: list[int] = []

    def read(number: int) -> int:
        done.append(number)
        return number

    results = in_order(MemoryStore(fresh_memory_uri()), read, range(5))
    assert next(results) == 0
    assert done == [0]
    assert list(results) == [1, 2, 3, 4]


def test_remote_reads_overlap_and_come_in_order() -> None:
    meet = threading.Barrier(4, timeout=30)

    def read(number: int) -> int:
        meet.wait()
        return number

    assert list(in_order(_Distant(fresh_memory_uri()), read, range(40))) == list(range(40))


def test_a_failed_read_is_raised_in_its_turn() -> None:
    def read(number: int) -> int:
        if number == 3:
            raise LookupError("third")
        return number

    results = in_order(_Distant(fresh_memory_uri()), read, range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LookupError, match="third"):
        next(results)
