"""The values used last are kept, the others read again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from headrace.datasets.kept_values import KeptValues


def test_value_is_read_once_until_others_push_it_out() -> None:
    reads: list[str] = []

    def read(name: str) -> str:
        reads.append(name)
        return name.upper()

    kept: KeptValues[str, str] = KeptValues(2)
    assert [kept.get(name, read) for name in "aba"] == ["A", "B", "A"]
    assert reads == ["a", "b"]
    kept.get("c", read)  # pushes out "b", which was used before "a"
    assert [kept.get(name, read) for name in "ab"] == ["A", "B"]
    assert reads == ["a", "b", "c", "b"]


def test_empty_value_is_kept_too() -> None:
    reads: list[int] = []

    def read(name: int) -> tuple[()]:
        reads.append(name)
        return ()

    kept: KeptValues[int, tuple[()]] = KeptValues(1)
    kept.get(0, read)
    kept.get(0, read)
    assert reads == [0]


def test_threads_that_read_at_once_get_one_value() -> None:
    barrier = Barrier(2, timeout=60)

    def read(name: str) -> list[str]:
        barrier.wait()
        return [name]

    kept: KeptValues[str, list[str]] = KeptValues(1)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: kept.get("a", read), range(2))
    assert first is second
