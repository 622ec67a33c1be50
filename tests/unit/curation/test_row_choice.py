"""A choice of rows that depends on their ids alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from headrace.curation.row_choice import choose_rows, id_hashes


def chosen(ids: list[str | None], *, cut: int, num_rows: int) -> set[str | None]:
    parts = [pa.array(ids[start : start + cut], pa.string()) for start in range(0, len(ids), cut)]
    return {parts[part][row].as_py() for part, row in choose_rows(parts, num_rows=num_rows)}


def test_choice_does_not_depend_on_order_or_parts() -> None:
    ids: list[str | None] = [f"1:größe/{number}.jpg" for number in range(500)]
    first = chosen(ids, cut=500, num_rows=20)
    assert len(first) == 20
    assert chosen(ids[::-1], cut=7, num_rows=20) == first
    assert first != set(ids[:20])


def test_a_row_that_leaves_moves_no_other() -> None:
    ids: list[str | None] = [str(number) for number in range(300)]
    first = chosen(ids, cut=100, num_rows=20)
    gone = next(iter(first))
    assert first - {gone} <= chosen([name for name in ids if name != gone], cut=100, num_rows=20)


def test_few_equal_empty_and_null_ids() -> None:
    assert choose_rows([], num_rows=20) == []
    assert choose_rows([pa.array([], pa.string())], num_rows=20) == []
    assert choose_rows([pa.array(["a"])], num_rows=20) == [(0, 0)]
    assert len(choose_rows([pa.array(["same"] * 5_000)], num_rows=20)) == 20
    assert len(choose_rows([pa.array(["", None, "a"])], num_rows=20)) == 3


def test_hashes_are_spread_and_written_down() -> None:
    ids = pa.array([f"{number}" for number in range(20_000)])
    hashes = id_hashes(ids)
    assert len(np.unique(hashes)) == len(ids)
    counts = np.bincount((hashes >> np.uint64(60)).astype(np.int64), minlength=16)
    assert abs(counts / 1250 - 1).max() < 0.15
    # A change of these numbers changes which samples people see.
    assert [hex(value) for value in id_hashes(pa.array(["", "a", "größe"])).tolist()] == HASHES
    assert id_hashes(pa.array(["x", "", "a"]).slice(1)).tolist() == id_hashes(pa.array(["", "a"])).tolist()


HASHES = ["0x0", "0x63100e713e8aec7f", "0xb9e8aff29b430a74"]
