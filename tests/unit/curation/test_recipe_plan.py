"""What a plan tells before a run, held against what the run then does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.planned_stage import PlannedStage, RowEstimate, totals_of
from headrace.curation.recipe_run import Run, run_plan
from headrace.curation.run_options import RunOptions
from headrace.datasets.lake import Lake
from tests.poison_operators import poison, upper

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])


def exactly(count: int) -> RowEstimate:
    return RowEstimate(count, count)


def texts_of(texts: Sequence[str | None], start: int = 0) -> pa.Table:
    return pa.table([[f"k{start + idx:05d}" for idx in range(len(texts))], list(texts)], schema=SCHEMA)


def lake_with(tmp_path: Path, texts: Sequence[str | None]) -> Lake:
    lake = headrace.connect(str(tmp_path / "lake"))
    lake.create_dataset("texts", type="TABLE", schema=SCHEMA, key="id", source=texts_of(texts))
    return lake


def recipe(*stages: Stage, **source: Any) -> Recipe:
    return Recipe("texts", sources={"texts": {"ref": "texts", **source}}, stages=list(stages))


MEASURE = Stage(name="measure", operator=poison)
LONG = Stage(name="long", filter="length >= 3")
CAPITALS = Stage(name="capitals", operator=upper)


def planned(lake: Lake, made: Recipe) -> dict[str, PlannedStage]:
    return {stage.name: stage for stage in made.plan(lake).stages()}


def run(lake: Lake, made: Recipe) -> Run:
    return run_plan(made.plan(lake), options=RunOptions(workers=0))


def test_fresh_recipe_is_all_to_do_with_bounds_behind_the_first_stage(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "apple", "naïve ☃", "", None])
    found = planned(lake, recipe(MEASURE, LONG, CAPITALS))
    assert (found["measure"].num_in, found["measure"].to_do) == (exactly(5), exactly(4))  # equal texts count once
    assert found["measure"].num_out == RowEstimate(0, 5)
    assert found["long"].num_in == RowEstimate(0, 5)
    assert found["capitals"].to_do == RowEstimate(0, 4)
    # 8 bytes for each value and the length of the text
    assert found["measure"].num_bytes == 4 * 8 + len("apple") + len("naïve ☃".encode())
    assert {stage.reuse for stage in found.values()} == {"to-do"}
    assert (found["measure"].rows_in, found["measure"].rows_out, found["long"].rows_in) == (5, None, None)


@pytest.mark.parametrize("texts", [["one"], ["a", "a", "a"]], ids=["one-row", "duplicates"])
def test_plan_after_a_run_is_all_known(tmp_path: Path, texts: list[str]) -> None:
    lake = lake_with(tmp_path, texts)
    made = recipe(MEASURE, CAPITALS)
    before = planned(lake, made)
    calls = run(lake, made).record.stages[0].calls["test.poison"]
    assert before["measure"].to_do == exactly(calls)
    after = planned(lake, made)
    assert all(stage.cached and stage.to_do == exactly(0) for stage in after.values())
    assert totals_of(list(after.values())).seconds == 0


def test_empty_source_has_nothing_to_do(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple"])
    found = planned(lake, recipe(MEASURE, LONG, CAPITALS, where="text = 'nobody'"))
    assert [(stage.num_in, stage.to_do) for stage in found.values()] == [(exactly(0), exactly(0))] * 3


def test_new_rows_alone_are_to_do_also_behind_drops_and_filters(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "ok", "short-1", "bad-1", "pear"])
    made = recipe(MEASURE, LONG, CAPITALS)
    run(lake, made)
    lake.dataset("texts").commit(texts_of(["melon", "apple", "no"], start=100))
    before = planned(lake, made)
    assert (before["measure"].known, before["measure"].to_do) == (6, exactly(2))  # a second apple is known
    # Two known rows left at the first stage: their fate is in the ledger. "ok" leaves at the filter.
    assert before["long"].num_in == RowEstimate(4, 6)
    assert before["capitals"].num_in == RowEstimate(3, 5)
    assert (before["capitals"].known, before["capitals"].to_do) == (3, RowEstimate(0, 2))
    assert before["measure"].reuse == "partly"
    calls = {stage.name: sum(stage.calls.values()) for stage in run(lake, made).record.stages}
    assert calls == {"measure": 2, "long": 0, "capitals": 1}


def test_plan_runs_and_writes_nothing(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    lake = lake_with(tmp_path, ["apple"])
    plan = recipe(Stage(name="measure", operator=poison, settings={"log": str(log)}), CAPITALS).plan(lake)
    plan.to_json()
    plan.mermaid()
    assert not log.exists()
    assert not (tmp_path / "lake" / "derived" / "curation").exists()


def test_another_operator_alone_is_to_do_in_a_stage_of_several(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear"])
    run(lake, recipe(MEASURE))
    found = planned(lake, recipe(Stage(name="both", operators=[poison, upper])))["both"]
    assert [(operator.known, operator.to_do) for operator in found.operators] == [(2, exactly(0)), (0, exactly(2))]
    assert (found.known, found.to_do, found.reuse) == (0, exactly(2), "to-do")


def test_where_and_sample_bound_what_is_measured(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, [f"text {idx}" for idx in range(10)])
    chosen = planned(lake, recipe(Stage(name="some", operator=poison, where="text < 'text 4'")))["some"]
    assert (chosen.num_in, chosen.to_do) == (exactly(10), exactly(4))
    for sample, most in ({"rows": 3}, 3), ({"share": 0.5}, 5):
        drawn = planned(lake, recipe(Stage(name="some", operator=poison, sample=sample)))["some"]
        assert drawn.to_do == RowEstimate(0, most)


def test_table_stages_count_all_their_rows_and_sql_hides_what_comes_behind(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "apple", "pear"])
    distinct = Stage(name="distinct", operator="exact.duplicates", settings={"by": ["text"]})
    joined = Stage(name="joined", sql="SELECT * FROM input", key=["id"])
    found = planned(lake, recipe(distinct, joined, CAPITALS))
    assert (found["distinct"].to_do, found["distinct"].num_out) == (exactly(3), RowEstimate(0, 3))
    assert (found["joined"].num_in, found["joined"].num_out) == (RowEstimate(0, 3), RowEstimate(0, None))
    assert (found["capitals"].num_in.at_most, found["capitals"].num_bytes) == (None, None)
    totals = totals_of(list(found.values()))
    assert totals.without_rows == ("capitals",)
    assert totals.to_do == RowEstimate(3, 6)


def test_value_that_an_operator_replaces_is_unknown_until_it_has_run(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear"])
    run(lake, recipe(CAPITALS))
    lake.dataset("texts").commit(texts_of(["fig"], start=50))
    behind = Stage(name="behind", operator=poison, columns={"text": "upper"})
    found = planned(lake, recipe(CAPITALS, behind))["behind"]
    assert found.to_do == RowEstimate(2, 3)


def test_time_comes_from_the_same_stage_then_from_the_same_operator(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear"])
    assert planned(lake, recipe(MEASURE))["measure"].time is None
    record = run(lake, recipe(MEASURE, LONG)).record
    lake.dataset("texts").commit(texts_of(["fig", "plum"], start=50))
    same = planned(lake, recipe(MEASURE, LONG))
    assert same["measure"].time is not None
    assert same["measure"].time.seconds == pytest.approx(record.stages[0].seconds)  # two rows took it, two are to do
    assert same["measure"].time.basis.startswith("the same stage took ")
    assert record.run_id in same["measure"].time.basis
    log = Stage(name="other", operator=poison, settings={"log": str(tmp_path / "log")})
    other = planned(lake, recipe(log, Stage(name="longer", filter="length > 4"), CAPITALS))
    assert other["other"].time is not None
    assert other["other"].time.basis.startswith("test.poison in another stage took ")
    assert other["longer"].time is not None
    assert other["longer"].time.basis.startswith("another filter took ")
    assert other["capitals"].time is None
    assert totals_of(list(other.values())).without_time == ("capitals",)


def test_operators_that_never_ran_together_are_added_up(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear"])
    record = run(lake, recipe(MEASURE, CAPITALS)).record
    lake.dataset("texts").commit(texts_of(["fig", "plum"], start=50))
    both = planned(lake, recipe(Stage(name="both", operators=[poison, upper])))["both"]
    assert both.time is not None
    assert both.time.seconds == pytest.approx(sum(stage.seconds for stage in record.stages))


def test_graph_shows_what_is_known(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear"])
    run(lake, recipe(MEASURE, LONG))
    lines = recipe(MEASURE, Stage(name="long", filter="length >= 4"), CAPITALS).plan(lake).mermaid().splitlines()
    assert lines[0] == "flowchart TD"
    assert lines[2] == '    n1["measure<br/>test.poison<br/>known"]:::known'
    assert lines[3].endswith('<br/>rows to do: 2"]:::todo')
    assert [line.split()[1] for line in lines if "classDef" in line] == ["known", "todo"]
