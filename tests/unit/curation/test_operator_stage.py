"""Operators over rows of a stage, in this process and in workers that die."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import headrace
from headrace.curation.executor.memory import held_bytes
from headrace.curation.operator_stage import ChunkSize
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput
from tests.operator_bench import OperatorBench, step
from tests.poison_operators import poison, upper


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return headrace.connect(str(tmp_path / "lake"))


def test_rows_that_fail_or_are_dropped_leave_their_neighbours(lake: Lake) -> None:
    bench = OperatorBench(lake, ["fine", "bad-1", "short-1", None, "bug-1", "fine too"])
    result = bench.inline([step(poison)])
    assert [(row["text"], row["length"]) for row in bench.kept(result)] == [("fine", 4), (None, None), ("fine too", 8)]
    assert bench.failed(result) == [("k00001", "InvalidInput", 1), ("k00004", "ZeroDivisionError", 1)]
    dropped = bench.store.table(result.dropped).to_pylist()
    assert dropped == [
        {"_id": "k00002", "operator": "test.poison", "reason": "too short", "value": "7", "threshold": "100"}
    ]
    assert (result.num_in, result.rows.num_rows, result.calls) == (6, 3, {"test.poison": 6})


def test_what_is_known_is_not_computed_again_also_with_other_chunks(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    bench = OperatorBench(lake, [f"text {idx % 40}" for idx in range(100)])
    first = bench.inline([step(poison, log=str(log))], chunk=ChunkSize(rows=7))
    assert len(log.read_text().splitlines()) == 40  # equal inputs are worked on once
    again = bench.inline([step(poison, log=str(log))], chunk=ChunkSize(rows=50))
    assert len(log.read_text().splitlines()) == 40
    assert (first.rows, again.calls) == (again.rows, {"test.poison": 0})


def test_new_metric_beside_old_ones_is_computed_alone(lake: Lake) -> None:
    bench = OperatorBench(lake, [f"text {idx}" for idx in range(30)])
    bench.inline([step(poison)])
    result = bench.inline([step(poison), step(upper, key="cd" * 32)])
    assert result.calls == {"test.poison": 0, "test.upper": 30}
    assert bench.kept(result)[3] | {"_digest": b""} == {
        "_source": "texts",
        "_row": 3,
        "_id": "k00003",
        "_digest": b"",
        "id": "k00003",
        "text": "text 3",
        "length": 6,
        "upper": "TEXT 3",
    }


def test_batch_that_fails_is_halved_down_to_its_bad_rows(lake: Lake) -> None:
    bench = OperatorBench(lake, ["a", "bad-1", "b", "c", "d", "bad-2", "e"])
    result = bench.inline([step(upper)])
    assert [row["upper"] for row in bench.kept(result)] == ["A", "B", "C", "D", "E"]
    assert [kind for _, kind, _ in bench.failed(result)] == ["InvalidInput"] * 2


def test_unmeasured_rows_stay_with_null(lake: Lake) -> None:
    bench = OperatorBench(lake, [f"text {idx}" for idx in range(10)])
    result = bench.inline([step(poison)], measured=lambda table, start: table.column("_row").to_numpy() % 2 == 0)
    assert [row["length"] for row in bench.kept(result)] == [6, None] * 5
    assert result.calls == {"test.poison": 5}


def test_stage_without_rows_and_missing_columns(lake: Lake) -> None:
    bench = OperatorBench(lake, ["only"])
    bench.rows = bench.store.write(bench.store.table(bench.rows).slice(0, 0))
    assert bench.inline([step(poison)]).rows.num_rows == 0
    with pytest.raises(InvalidInput, match=r"reads column 'txet' as 'text', which is not there\. Did you mean 'text'"):
        bench.inline([step(poison, column="txet")])


def test_operator_that_fails_everywhere_stops_the_run(lake: Lake) -> None:
    bench = OperatorBench(lake, [f"bad-{idx}" for idx in range(120)])
    with pytest.raises(InvalidInput, match=r"all 120 rows failed, the first \(k00000\) in test.poison"):
        bench.inline([step(poison)])


def test_workers_that_crash_hang_or_leave_lose_only_their_rows(lake: Lake) -> None:
    texts = [f"text {idx}" for idx in range(400)]
    poisoned = {17: "segfault-1", 18: "segfault-2", 200: "exit-1", 333: "hang-1", 390: "bad-1"}
    for idx, text in poisoned.items():
        texts[idx] = text
    bench = OperatorBench(lake, texts)
    steps = [step(poison), step(upper, key="cd" * 32)]
    result = bench.pooled(steps, pool={"timeouts": [1.5, 1.5]}, chunk=ChunkSize(rows=100))
    assert bench.failed(result) == [
        ("k00017", "Crashed", 2),
        ("k00018", "Crashed", 2),
        ("k00200", "Crashed", 2),
        ("k00333", "TimedOut", 2),
        ("k00390", "InvalidInput", 1),
    ]
    assert [row["text"] for row in bench.kept(result)] == [
        text for idx, text in enumerate(texts) if idx not in poisoned
    ]
    again = bench.pooled(steps)
    assert again.calls == {"test.poison": 0, "test.upper": 0}
    assert (again.rows, again.failed) == (result.rows, result.failed)


def test_row_above_the_memory_ceiling_is_given_up(lake: Lake) -> None:
    texts = [f"text {idx}" for idx in range(40)]
    texts[11] = "eat-1"
    bench = OperatorBench(lake, texts)
    ceiling = held_bytes([os.getpid()])[os.getpid()] + 900_000_000
    result = bench.pooled([step(poison)], pool={"memory_bytes": ceiling}, chunk=ChunkSize(rows=20))
    assert bench.failed(result) == [("k00011", "OutOfMemory", 2)]
    assert len(bench.kept(result)) == 39


def test_ceiling_below_this_process_blames_no_row(lake: Lake) -> None:
    bench = OperatorBench(lake, ["text"] * 3)
    with pytest.raises(InvalidInput, match=r"this process alone holds .* raise --memory"):
        bench.pooled([step(poison)], pool={"memory_bytes": 50_000_000})


def test_quarantined_rows_are_tried_again_on_request(lake: Lake) -> None:
    bench = OperatorBench(lake, ["fine", "bad-1"])
    bench.inline([step(poison)])
    result = bench.inline([step(poison)], retries=True)
    assert result.calls == {"test.poison": 1}
    assert bench.failed(result) == [("k00001", "InvalidInput", 2)]
