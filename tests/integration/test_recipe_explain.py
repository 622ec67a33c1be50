"""What runs say of their stages and samples, from the files that rows came from to the outputs and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

import headrace
from headrace.cli.main import cli
from headrace.curation import Recipe, Stage
from headrace.curation.explaining import explain_stage, explain_stages
from headrace.curation.recipe_run import Run, run_plan
from headrace.curation.run_options import RunOptions
from headrace.curation.run_records import find_run
from headrace.curation.stage_histogram import StageHistogram
from headrace.datasets.lake import Lake
from headrace.errors import NotFound
from tests.poison_operators import poison

NUM_ROWS = 300


def rows_of(num_rows: int) -> pa.Table:
    return pa.table(
        {
            "id": [f"größe-{idx:03d}" for idx in range(num_rows)],
            "blur": [float(idx) for idx in range(num_rows)],
            "width": [idx % 7 for idx in range(num_rows)],
            "text": [("short-" if idx % 10 == 0 else "word ") + "x" * (idx % 30 + 120) for idx in range(num_rows)],
        }
    )


def lake_of(tmp_path: Path, *, num_rows: int = NUM_ROWS) -> Lake:
    lake = headrace.connect(str(tmp_path / "lake"))
    table = rows_of(num_rows)
    lake.create_dataset("photos", type="TABLE", schema=table.schema, key="id", source=table)
    return lake


def ran(lake: Lake, *stages: Stage, sources: dict[str, str] | None = None, outputs: bool = True) -> Run:
    made = Recipe(
        "photos",
        sources=sources or {"photos": "photos"},
        stages=list(stages),
        outputs={"final": {"stage": stages[-1].name, "dataset": "curated"}} if outputs else {},
    )
    return run_plan(made.plan(lake), options=RunOptions(workers=0))


def histogram(run: Run, stage: str, column: str) -> StageHistogram:
    return next(found for found in run.stages[stage].summary().histograms if found.column == column)


def test_filter_with_two_comparisons_has_a_histogram_of_each(tmp_path: Path) -> None:
    run = ran(lake_of(tmp_path), Stage(name="sharp", filter="blur >= 100 AND width < 5"))
    summary = run.stages["sharp"].summary()
    kept = [row for row in rows_of(NUM_ROWS).to_pylist() if row["blur"] >= 100 and row["width"] < 5]
    assert [found.column for found in summary.histograms] == ["blur", "width"]
    blur, width = summary.histograms
    assert blur.kept is not None
    assert blur.dropped is not None
    assert (sum(blur.kept), sum(blur.dropped)) == (len(kept), NUM_ROWS - len(kept))
    assert sum(blur.kept[: blur.cuts[0][1]]) == 0
    assert [(cut.text, place) for cut, place in width.cuts] == [("width < 5", 5)]
    assert width.kept == (*(sum(row["width"] == value for row in kept) for value in range(5)), 0, 0)
    assert summary.counts.dropped is not None
    assert [(group.operator, group.num_rows) for group in summary.counts.dropped] == [("filter", NUM_ROWS - len(kept))]


def test_samples_are_twenty_of_each_with_values_and_the_same_again(tmp_path: Path) -> None:
    lake = lake_of(tmp_path)
    run = ran(lake, Stage(name="sharp", filter="blur >= 100"))
    summary = run.stages["sharp"].summary()
    assert (len(summary.kept), len(summary.dropped)) == (20, 20)
    assert all(sample.values["blur"] == float(str(sample.id)[-3:]) for sample in (*summary.kept, *summary.dropped))
    assert {(sample.operator, sample.threshold) for sample in summary.dropped} == {("filter", "100")}
    assert [sample.id for sample in summary.kept] != [f"größe-{idx}" for idx in range(100, 120)]
    again = explain_stage(lake, find_run(lake.store, run.id), stage="sharp")
    assert again.to_json() == summary.to_json()
    json.dumps(again.to_json())


def test_drop_of_an_operator_is_compared_with_what_it_gave(tmp_path: Path) -> None:
    run = ran(lake_of(tmp_path), Stage(name="measure", operator=poison, settings={"log": ""}), outputs=False)
    summary = run.stages["measure"].summary()
    assert summary.counts.dropped is not None
    assert [(group.reason, group.threshold, group.num_rows) for group in summary.counts.dropped] == [
        ("too short", "100", 30)
    ]
    # The dropped texts are as long as the others, so the length that was kept is not what "too short" is about.
    assert [found.column for found in summary.histograms] == ["test.poison: too short", "length"]


@pytest.mark.parametrize(
    ("name", "settings", "cuts"),
    [
        ("select.quantile", {"by": "blur", "lower": 0.1, "upper": 0.9}, [29.9, 269.1]),
        ("select.top_k", {"by": "blur", "k": 50}, [250.0]),
        ("select.where", {"where": "blur > 250 AND width >= 2"}, [250.0]),
    ],
    ids=["quantile", "top k", "where"],
)
def test_table_operators_show_the_cut(tmp_path: Path, name: str, settings: dict[str, Any], cuts: list[float]) -> None:
    run = ran(lake_of(tmp_path), Stage(name="chosen", operator=name, settings=settings), outputs=False)
    found = histogram(run, "chosen", "blur")
    assert [round(cut.number, 6) for cut, _ in found.cuts] == cuts
    assert found.kept is not None
    assert found.dropped is not None
    assert sum(found.kept) + sum(found.dropped) == NUM_ROWS
    assert sum(found.kept[: found.cuts[0][1]]) == 0


def test_sql_check_and_empty_stages_have_summaries(tmp_path: Path) -> None:
    run = ran(
        lake_of(tmp_path, num_rows=3),
        Stage(name="wide", sql="SELECT width, width + 1 AS w, blur * 2 AS double FROM input", key=["width"]),
        Stage(name="enough", check="SELECT count(*) > 0 FROM input"),
        Stage(name="none", filter="blur > 1e9", input="photos"),
        outputs=False,
    )
    wide = run.stages["wide"].summary()
    assert ([found.column for found in wide.histograms], len(wide.kept)) == (["w", "double"], 3)
    assert {sample.id for sample in wide.kept} == {None}
    assert len(run.stages["enough"].summary().kept) == 3
    none = run.stages["none"].summary()
    assert (none.kept, len(none.dropped)) == ((), 3)
    assert none.histograms[0].cuts[0][1] == len(none.histograms[0].edges) - 1


def test_stages_whose_rows_are_gone_still_have_counts(tmp_path: Path) -> None:
    lake = lake_of(tmp_path)
    run = ran(lake, Stage(name="sharp", filter="blur >= 100"))
    for stat in list(lake.store.list("derived/curation/")):
        if "/stages/" in stat.key:
            lake.store.delete(stat.key)
    (counts,) = explain_stages(lake, run.record)
    assert (counts.rows_in, counts.num_dropped, counts.dropped) == (NUM_ROWS, 100, None)
    with pytest.raises(NotFound, match="not kept any more"):
        explain_stage(lake, run.record, stage="sharp")


def test_sample_of_an_output_leads_to_its_source_and_file(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"{number}.csv").write_text("id,blur\n" + "".join(f"ü{idx},{idx * number}\n" for idx in range(4)))
    lake = headrace.connect(str(tmp_path / "lake"))
    schema = pa.schema([("id", pa.string()), ("blur", pa.float64())])
    for number in (1, 2):
        lake.create_dataset(
            f"part{number}", type="TABLE", schema=schema, key="id", source=str(folder / f"{number}.csv")
        )
    both = "SELECT * FROM a UNION ALL SELECT * FROM b"
    run = ran(
        lake,
        Stage(name="both", sql=both, key=["id"], inputs={"a": "one", "b": "two"}),
        Stage(name="sharp", filter="blur >= 2"),
        sources={"one": "part1", "two": "part2"},
    )
    curated = run.outputs["final"]
    ids = curated.to_arrow(["_id"]).column(0).to_pylist()
    assert "two:ü1" in ids  # renamed, because both sources have the key
    (sample,) = lake.lineage("two:ü1")
    assert sample.recipe is not None
    assert (sample.recipe.source, sample.recipe.plan_hash, sample.recipe.run_id) == ("two", run.plan.hash, run.id)
    (origin,) = sample.curated_from
    assert (origin.dataset, origin.id, origin.line) == ("part2", "ü1", 3)
    assert origin.source == (folder / "2.csv").as_uri()
    told = run.explain(sample="two:ü1")
    assert (told.source, told.sample, told.file, told.line) == ("two", "ü1", (folder / "2.csv").as_uri(), 3)
    assert told.source_reference.startswith(f"{lake.uri}::part2@id:")
    (commit,) = curated.lineage().commits
    assert [item.reference for item in commit.inputs] == [
        f"{lake.dataset(name).id}@id:{lake.dataset(name).snapshot().id}" for name in ("part1", "part2")
    ]
    with pytest.raises(NotFound, match="no source and no output"):
        run.explain(sample="two:ü9")


def test_rows_whose_source_is_not_known_say_so(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, num_rows=3)
    run = ran(lake, Stage(name="sums", sql="SELECT width, sum(blur) AS total FROM input GROUP BY width", key=["width"]))
    (sample, *_) = lake.lineage(run.outputs["final"].to_arrow(["_id"]).column(0)[0].as_py())
    assert sample.recipe is not None
    assert (sample.recipe.recipe, sample.recipe.source, sample.member, sample.curated_from) == (
        "photos",
        None,
        None,
        (),
    )


def test_origin_changes_no_digest(tmp_path: Path) -> None:
    """What a recipe commits has the digest of the same rows committed by hand."""
    lake = lake_of(tmp_path)
    run = ran(lake, Stage(name="sharp", filter="blur >= 100"))
    commit = run.outputs["final"].commits[0]
    table = rows_of(NUM_ROWS).slice(100)
    other = lake.create_dataset("other", type="TABLE", key="id", source=table, tags=commit.tags)
    assert other.log()[0].digest == commit.digest


def call(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, list(words))
    return result.exit_code, result.stdout


def test_command_line_shows_stages_and_stays_in_80_columns(tmp_path: Path) -> None:
    lake = lake_of(tmp_path)
    ran(lake, Stage(name="sharp", filter="blur >= 100"))
    code, out = call("recipe", "explain", "last", "--lake", lake.uri)
    assert code == 0
    assert "blur is not >= 100" in out
    code, out = call("recipe", "explain", "last", "--stage", "sharp", "--lake", lake.uri)
    assert code == 0
    assert "cut: blur >= 100" in out
    assert max(len(line) for line in out.splitlines()) <= 80
    code, out = call("recipe", "explain", "last", "--lake", lake.uri, "--json")
    assert json.loads(out)["stages"][0]["dropped_by"][0]["num_rows"] == 100
    code, out = call("recipe", "explain", "last", "--stage", "sharp", "--lake", lake.uri, "--json")
    document = json.loads(out)
    assert (len(document["samples"]["kept"]), len(document["samples"]["dropped"])) == (20, 20)
    assert call("recipe", "explain", "last", "--stage", "sharq", "--lake", lake.uri)[0] == 3
    assert call("recipe", "explain", "last", "--stage", "sharp", "--sample", "x", "--lake", lake.uri)[0] == 2
    code, out = call("lineage", f"{lake.uri}::curated", "--sample", "größe-100", "--json")
    assert json.loads(out)["curated_from"][0]["dataset"] == "photos"
    assert "größe-100" in call("recipe", "show", "last", "--lake", lake.uri, "sharp")[1]
