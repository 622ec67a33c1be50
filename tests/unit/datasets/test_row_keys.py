"""Keys of rows: given ones that must differ, and those that come from digests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.datasets.row_keys import OccurrenceKeys, RowKeys


def _digest(value: int, tail: int = 0) -> bytes:
    return value.to_bytes(8, "big") + tail.to_bytes(8, "big") + bytes(16)


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=8), max_size=6))
def test_occurrences_count_equal_rows_however_they_are_cut(batches: list[list[tuple[int, int]]]) -> None:
    """The second number differs behind the bytes that the index hashes by."""
    keys = OccurrenceKeys()
    counts: dict[tuple[int, int], int] = {}
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(f"{_digest(*value)[:16].hex()}.{counts.get(value, 0)}")
            counts[value] = counts.get(value, 0) + 1
        assert keys.add(b"".join(_digest(*value) for value in batch)) == expected


def test_occurrences_of_many_rows() -> None:
    keys = OccurrenceKeys()
    given_keys = [key for _ in range(2) for key in keys.add(b"".join(_digest(value) for value in range(5000)))]
    assert [key.rpartition(".")[2] for key in given_keys] == ["0"] * 5000 + ["1"] * 5000
    assert len(set(given_keys)) == 10_000


def test_known_keys_are_found_with_the_row_that_has_them() -> None:
    rows: list[str] = []
    keys = RowKeys(lambda ordinals: [rows[ordinal] for ordinal in ordinals])
    for batch in (["a", "b"], ["ä", "x" * 1000]):
        assert keys.find(batch).tolist() == [-1, -1]
        keys.add(batch)
        rows += batch
    assert keys.find(["x" * 1000, "c", "a", "a"]).tolist() == [3, -1, 0, 0]
