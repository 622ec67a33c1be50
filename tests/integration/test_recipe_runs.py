"""Recipes on lakes, from file to output: what runs again, what is explained, what a kill costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.recipe_run import Run, run_plan
from headrace.curation.run_options import BadRowLimit, RunOptions
from headrace.curation.run_records import find_run
from headrace.datasets.lake import Lake
from headrace.errors import GateFailed, InvalidInput
from tests.poison_operators import poison, upper

INLINE = RunOptions(workers=0)
SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])


def texts_of(names: list[str]) -> pa.Table:
    return pa.table([[f"k{idx:05d}" for idx in range(len(names))], names], schema=SCHEMA)


def lake_with(tmp_path: Path, texts: list[str]) -> Lake:
    lake = headrace.connect(str(tmp_path / "lake"))
    lake.create_dataset("texts", type="TABLE", schema=SCHEMA, key="id", source=texts_of(texts))
    return lake


def recipe(*, least: int = 3, log: str = "", dataset: str = "curated", where: str | None = None) -> Recipe:
    return Recipe(
        "texts",
        sources={"texts": "texts"},
        stages=[
            Stage(name="measure", operator=poison, settings={"log": log}, where=where),
            Stage(name="long", filter=f"length >= {least}"),
            Stage(name="capitals", operator=upper),
        ],
        outputs={"final": {"stage": "capitals", "dataset": dataset, "tags": {"split": "train"}}},
    )


def run(lake: Lake, made: Recipe, options: RunOptions = INLINE) -> Run:
    return run_plan(made.plan(lake), options=options)


def computed(found: Run) -> dict[str, dict[str, int]]:
    return {name: dict(stage.record.calls) for name, stage in found.stages.items() if not stage.cached}


def test_run_commits_what_came_through_and_says_what_did_not(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "ok", "bad-1", "short-1", "pear", "melon"])
    found = run(lake, recipe())
    assert [row["upper"] for row in found.outputs["final"].to_arrow().to_pylist()] == ["APPLE", "PEAR", "MELON"]
    assert {
        name: (stage.rows_in, stage.rows_out, stage.dropped, stage.quarantined) for name, stage in found.stages.items()
    } == {
        "measure": (6, 4, 1, 1),
        "long": (4, 3, 1, 0),
        "capitals": (3, 3, 0, 0),
    }
    assert found.stages["measure"].quarantined_rows().to_pylist()[0]["message"] == "is bad"
    document = found.to_json()
    assert document["outputs"] == {"final": found.outputs["final"].id}
    assert (document["run_id"], document["plan_hash"]) == (found.id, found.plan.hash)
    runs = lake.dataset("texts").runs
    assert [item.name for item in runs] == ["recipe texts"]


def test_second_run_computes_and_commits_nothing(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear"])
    first = run(lake, recipe())
    again = run(lake, recipe())
    assert all(stage.cached for stage in again.stages.values())
    assert again.outputs["final"].id == first.outputs["final"].id
    assert len(lake.dataset("curated").log()) == 1


def test_edited_parameter_runs_only_what_depends_on_it(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear", "fig"])
    run(lake, recipe(least=3))
    again = run(lake, recipe(least=5))
    # The rows that reach the last stage are fewer, and all of them are known.
    assert computed(again) == {"long": {}, "capitals": {"test.upper": 0}}
    assert [row["text"] for row in again.outputs["final"].to_arrow().to_pylist()] == ["apple"]


def test_unchanged_rows_stop_the_rerun(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear"])
    run(lake, recipe(least=3))
    again = run(lake, recipe(least=2))
    assert computed(again) == {"long": {}}


def test_new_rows_are_computed_alone(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    lake = lake_with(tmp_path, ["apple", "pear"])
    run(lake, recipe(log=str(log)))
    lake.dataset("texts").commit(pa.table([["n1", "n2"], ["melon", "apple"]], schema=SCHEMA))
    again = run(lake, recipe(log=str(log)))
    assert log.read_text().split() == ["apple", "pear", "melon"]
    assert again.outputs["final"].num_rows == 4
    assert [commit.num_rows for commit in lake.dataset("curated").log()] == [2, 4]


def test_recipe_that_gains_a_source_goes_on_with_what_is_known(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear"])
    run(lake, recipe())
    lake.create_dataset("more", type="TABLE", schema=SCHEMA, key="id", source=texts_of(["melon", "apple"]))
    lake.create_dataset("unrelated", type="TABLE", schema=SCHEMA, key="id", source=texts_of(["melon"]))
    alone = Recipe(
        "alone",
        sources={"texts": "unrelated"},
        stages=[Stage(name="measure", operator=poison, settings={"log": ""})],
        outputs={"final": {"stage": "measure", "dataset": "alone"}},
    )
    run(lake, alone)
    both = Recipe(
        "both",
        sources={"texts": "texts", "more": "more"},
        stages=[
            Stage(
                name="all",
                sql="SELECT * FROM a UNION ALL SELECT * FROM b",
                inputs={"a": "texts", "b": "more"},
                key=["id"],
            ),
            Stage(name="measure", operator=poison, settings={"log": ""}),
        ],
        outputs={"final": {"stage": "measure", "dataset": "both"}},
    )
    found = run(lake, both)
    assert computed(found)["measure"] == {"test.poison": 1}, "melon is known of a recipe over another dataset alone"
    assert found.outputs["final"].num_rows == 4
    lake.dataset("texts").purge(where="id = 'k00000'")
    assert computed(run(lake, recipe()))["measure"] == {"test.poison": 1}, "what was purged is known nowhere"


def test_explain_tells_the_way_of_a_sample(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "ok", "bad-1", "short-1"])
    found = run(lake, recipe())
    kept = found.explain(sample="k00000").to_json()
    assert [(stage["stage"], stage["verdict"]) for stage in kept["stages"]] == [
        ("measure", "kept"),
        ("long", "kept"),
        ("capitals", "kept"),
    ]
    assert kept["stages"][0]["changed"] == {"length": {"before": None, "after": 5}}
    assert kept["outputs"] == ["final"]
    for sample, stage, verdict, said in (
        ("k00001", "long", "dropped", "length"),
        ("k00002", "measure", "quarantined", "is bad"),
        ("k00003", "measure", "dropped", "too short"),
    ):
        last = found.explain(sample=sample).stages[-1]
        assert (last.stage, last.verdict) == (stage, verdict)
        assert said in str(last.reason)


def test_quarantine_above_the_limit_is_told_and_can_be_retried(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "bad-1", "bad-2"])
    found = run(lake, recipe(), RunOptions(workers=0, max_bad=BadRowLimit.parse("1")))
    assert not found.within_limit
    assert run(lake, recipe(), RunOptions(workers=0, max_bad=BadRowLimit.parse("70%"))).within_limit
    again = run(lake, recipe(), RunOptions(workers=0, retries=True))
    assert computed(again)["measure"] == {"test.poison": 2}
    attempts = {row["attempt"] for row in again.stages["measure"].quarantined_rows().to_pylist()}
    assert attempts == {2}


def test_rows_outside_of_where_stay_unmeasured(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear", "melon"])
    made = recipe(where="text LIKE '%e%' AND text <> 'pear'")
    found = run(lake, made)
    assert [row["length"] for row in found.stages["measure"].to_arrow().to_pylist()] == [5, None, 5]


def test_nothing_left_to_commit_is_an_error_that_says_where_to_look(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["ok"])
    with pytest.raises(InvalidInput, match=r"no row came through stage 'capitals'.*recipe show last"):
        run(lake, recipe())
    assert [dataset.name for dataset in lake.datasets()] == ["texts"]


def test_cured_row_stays_cured(tmp_path: Path) -> None:
    log = tmp_path / "broken"
    log.mkdir()  # a file cannot be appended to in its place
    lake = lake_with(tmp_path, ["apple", "pear"])
    with pytest.raises(InvalidInput, match="all 2 rows failed"):
        run(lake, recipe(log=str(log)))
    log.rmdir()
    cured = run(lake, recipe(log=str(log)), RunOptions(workers=0, retries=True))
    assert cured.explain(sample="k00000").stages[0].verdict == "kept"
    again = run(lake, recipe(log=str(log)))
    assert all(stage.cached for stage in again.stages.values())
    assert again.outputs["final"].num_rows == 2


def test_name_of_an_output_means_the_newest_run(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "fig"])
    assert run(lake, recipe(least=3)).outputs["final"].num_rows == 2
    assert run(lake, recipe(least=5)).outputs["final"].num_rows == 1
    assert lake.snapshot("curated@final").num_rows == 1
    assert run(lake, recipe(least=3)).outputs["final"].num_rows == 2
    assert lake.snapshot("curated@final").num_rows == 2


def test_failed_run_tells_the_stages_that_ended(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "ok"])
    gate = Stage(name="gate", check="SELECT count(*) > 5 FROM input", message="too few")
    made = Recipe("gated", sources={"texts": "texts"}, stages=[Stage(name="measure", operator=poison), gate])
    with pytest.raises(GateFailed, match="too few"):
        run(lake, made)
    failed = find_run(lake.store, "last")
    assert (failed.state, [stage.name for stage in failed.stages]) == ("failed", ["measure"])
    lake.dataset("texts").purge(where="text = 'ok'")
    left = [path for path in (tmp_path / "lake" / "derived" / "curation").rglob("*") if path.is_file()]
    assert [path.name.partition(".")[2] for path in left] == ["running.json"]


def test_error_of_a_stage_names_it(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple"])
    made = Recipe("broken", sources={"texts": "texts"}, stages=[Stage(name="odd", filter="CAST(text AS INTEGER) > 1")])
    with pytest.raises(InvalidInput, match="stage 'odd': "):
        run(lake, made)


def test_keys_of_several_commits_give_way_to_ids(tmp_path: Path) -> None:
    lake = headrace.connect(str(tmp_path / "lake"))
    texts = lake.create_dataset(
        "texts", type="TABLE", schema=SCHEMA, key="id", on_duplicate_key="keep", source=texts_of(["apple"])
    )
    texts.commit(texts_of(["melon"]))
    found = run(lake, recipe()).outputs["final"]
    assert found.to_arrow(["id", "text"]).to_pydict() == {"id": ["1:k00000", "2:k00000"], "text": ["apple", "melon"]}


def test_deleted_output_is_committed_again(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple"])
    first = run(lake, recipe())
    curated = lake.dataset("curated")
    curated.delete_commit("1")
    again = run(lake, recipe())
    assert again.outputs["final"].num_rows == 1
    assert [commit.id for commit in again.outputs["final"].commits] == ["2"]
    assert first.outputs["final"].num_rows == 1


def test_lake_in_memory_runs_in_this_process() -> None:
    lake = headrace.connect("memory://recipe-runs")
    lake.create_dataset("texts", type="TABLE", schema=SCHEMA, key="id", source=texts_of(["apple"]))
    assert run(lake, recipe(), RunOptions()).outputs["final"].num_rows == 1


_KILLED = """
import sys
import headrace
from headrace.curation.operator_stage import ChunkSize
from headrace.curation.recipe_run import run_plan
from headrace.curation.run_records import find_run
from headrace.curation.run_options import RunOptions
from tests.integration.test_recipe_runs import recipe
found = run_plan(
    recipe(log=sys.argv[2]).plan(headrace.connect(sys.argv[1])), options=RunOptions(workers=2, chunk=ChunkSize(rows=50))
)
print(found.outputs["final"].id)
"""


@pytest.mark.parametrize("seconds", [1.5, 3.0])
def test_killed_run_goes_on_and_gives_the_same(tmp_path: Path, seconds: float) -> None:
    texts = [f"text number {idx}" for idx in range(600)]
    expected = run(lake_with(tmp_path / "a", texts), recipe()).outputs["final"]
    lake = lake_with(tmp_path / "b", texts)
    words = [sys.executable, "-c", _KILLED, lake.uri, str(tmp_path / "calls")]
    process = subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
    snapshot = lake.snapshot(f"curated@id:{done.stdout.strip()}")
    assert columns(snapshot.to_arrow()) == columns(expected.to_arrow())
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) <= 600 + 2 * 50  # at most one chunk of each worker is computed again


def columns(table: pa.Table) -> dict[str, Any]:
    found: dict[str, Any] = table.select(["id", "text", "length", "upper"]).to_pydict()
    return found
