"""Old results are removed: what kept runs refer to stays, runs and cleaning keep out of each other's way."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image

import headrace
from headrace.cli.main import cli
from headrace.curation import Recipe, Stage
from headrace.curation.cleaning import CleaningReport, clean_results
from headrace.curation.cleaning_mark import CleaningMark, wait_while_cleaned
from headrace.curation.recipe_run import Run, run_plan
from headrace.curation.run_options import RunOptions
from headrace.curation.run_records import find_run, list_runs, write_run
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput, Unavailable
from tests.poison_operators import poison, upper

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])


def lake_with(tmp_path: Path, texts: list[str]) -> Lake:
    lake = headrace.connect(str(tmp_path / "lake"))
    table = pa.table([[f"k{idx:03d}" for idx in range(len(texts))], texts], schema=SCHEMA)
    lake.create_dataset("texts", type="TABLE", schema=SCHEMA, key="id", source=table)
    return lake


def recipe(*, least: int = 3, name: str = "texts") -> Recipe:
    return Recipe(
        name,
        sources={"texts": "texts"},
        stages=[
            Stage(name="measure", operator=poison),
            Stage(name="long", filter=f"length >= {least}"),
            Stage(name="capitals", operator=upper),
        ],
        outputs={"final": {"stage": "capitals", "dataset": "curated"}},
    )


def run(lake: Lake, made: Recipe) -> Run:
    return run_plan(made.plan(lake), options=RunOptions(workers=0))


def clean(lake: Lake, *, keep: int = 1, age: float = 0.0, dry_run: bool = False) -> CleaningReport:
    return clean_results(lake, older_than_seconds=age, keep_runs=keep, dry_run=dry_run, clock=lambda: time.time() + 1)


def files(lake: Lake) -> set[str]:
    return {stat.key for stat in lake.store.list("derived/curation/")}


def calls(found: Run) -> int:
    return sum(sum(stage.calls.values()) for stage in found.record.stages)


def test_kept_run_is_whole_and_older_ones_are_gone(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "ok", "pear", "fig", "bad-1"])
    run(lake, recipe(least=5))
    last = run(lake, recipe(least=3))
    before = files(lake)
    planned = clean(lake, dry_run=True)
    assert files(lake) == before
    report = clean(lake)
    assert [item.key for item in report.objects] == [item.key for item in planned.objects]
    assert before - files(lake) == {item.key for item in report.objects}
    assert (len(report.runs_kept), len(report.runs_removed)) == (1, 1)
    assert [found.run_id for found in list_runs(lake.store)] == [last.id]
    again = run(lake, recipe(least=3))
    assert all(stage.cached for stage in again.stages.values())
    assert again.explain(sample="k001").stages[-1].verdict == "dropped"
    # The filter runs once more, and no operator: all that they know stays.
    once_more = run(lake, recipe(least=5))
    assert calls(once_more) == 0
    assert not once_more.stages["long"].cached


def test_nothing_is_left_to_remove_afterwards(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "ok"])
    for least in (1, 2, 3):
        run(lake, recipe(least=least))
    assert clean(lake).objects
    assert clean(lake).objects == []
    assert lake.snapshot("curated@final").num_rows == 1


def test_young_results_and_the_newest_of_each_recipe_stay(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "ok"])
    run(lake, recipe(name="first"))
    run(lake, recipe(name="second", least=5))
    assert clean(lake, keep=1).runs_removed == []
    run(lake, recipe(name="second", least=4))
    assert clean(lake, age=3600.0).objects == []
    assert len(clean(lake, keep=1).runs_removed) == 1


def test_operator_that_no_kept_run_used_is_forgotten(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear"])
    other = Recipe("texts", sources={"texts": "texts"}, stages=[Stage(name="only", operator=upper)])
    run(lake, recipe())
    run(lake, other)
    clean(lake)
    assert calls(run(lake, other)) == 0
    assert calls(run(lake, recipe())) == 2  # poison's ledger is gone, that of upper is not


def test_replaced_media_of_kept_runs_stay(tmp_path: Path) -> None:
    lake = headrace.connect(str(tmp_path / "lake"))
    (tmp_path / "photos" / "a").mkdir(parents=True)
    random = np.random.default_rng(1)
    for idx in range(3):
        image = Image.fromarray(random.integers(0, 256, (40, 60, 3), dtype=np.uint8))
        image.save(tmp_path / "photos" / "a" / f"ü{idx}.png")
    lake.create_dataset("photos", type="IMAGE_CLASS", source=str(tmp_path / "photos"))

    def resized(width: int) -> Recipe:
        settings = {"width": width, "height": width}
        stages = [Stage(name="small", operator="image.resize", settings=settings)]
        outputs = {"small": {"stage": "small", "dataset": f"small-{width}"}}
        return Recipe("resize", sources={"photos": "photos"}, stages=stages, outputs=outputs)

    run(lake, resized(20))
    run(lake, resized(10))
    tars = {key for key in files(lake) if key.endswith(".tar")}
    report = clean(lake)
    assert len({item.key for item in report.objects} & tars) == 1
    lake.purge_dataset("small-10")
    again = run(lake, resized(10))
    assert again.stages["small"].cached
    data = again.outputs["small"][0]["image"]
    assert Image.open(BytesIO(data)).size == (10, 7)


def test_run_that_is_under_way_keeps_everything(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "ok"])
    run(lake, recipe(least=1))
    found = run(lake, recipe(least=3))
    alive = replace(found.record, run_id="20990101T000000-aaaaaa", state="running", started_at=time.time())
    write_run(found.plan.stage_store, alive)
    report = clean(lake)
    assert (report.objects, len(report.skipped)) == ([], 1)
    assert alive.run_id in report.skipped[0]
    assert not any(key.endswith("/cleaning") for key in files(lake))


def test_run_of_a_process_that_died_keeps_nothing(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "ok"])
    run(lake, recipe(least=1))
    found = run(lake, recipe(least=3))
    assert found.record.process is not None
    dead = found.record.process.rpartition("-")[0] + "-1"  # the same number, started at another time
    killed = replace(found.record, run_id="20000101T000000-aaaaaa", state="running", started_at=1.0, process=dead)
    write_run(found.plan.stage_store, killed)
    assert killed.run_id in clean(lake).runs_removed


def test_run_waits_until_cleaning_is_over(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple"])
    base = recipe().plan(lake).stage_store.base
    mark = CleaningMark(lake.store, base)
    lake.store.prepare_for_writing()
    assert mark.take()
    assert not CleaningMark(lake.store, base).take()
    ended = threading.Event()

    def work() -> None:
        run(lake, recipe())
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 30
    while not list_runs(lake.store) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert find_run(lake.store, "last").state == "running"
    assert clean(lake).skipped == [f"{base}: somebody else is cleaning it"]
    assert not ended.is_set()
    mark.release()
    thread.join(timeout=60)
    assert ended.is_set()


def test_mark_of_a_killed_cleaning_is_void(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple"])
    lake.store.put("derived/curation/x/cleaning", json.dumps({"process": None}).encode())
    now = time.time()
    times = iter([now - 5_000, now, now])  # began long ago, and the mark is young still
    with pytest.raises(Unavailable, match=r"delete .*cleaning"):
        wait_while_cleaned(lake.store, "derived/curation/x/", clock=lambda: next(times), sleep=lambda _: None)
    wait_while_cleaned(lake.store, "derived/curation/x/", clock=lambda: now + 1_000)


@pytest.mark.parametrize(("age", "keep"), [(-1.0, 1), (float("nan"), 1), (1.0, 0)], ids=["age", "nan", "keep"])
def test_wrong_numbers_are_refused(tmp_path: Path, age: float, keep: int) -> None:
    with pytest.raises(InvalidInput, match="expected"):
        clean(lake_with(tmp_path, ["a"]), age=age, keep=keep)


def test_command_asks_and_tells(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "ok"])
    for least in (1, 3):
        run(lake, recipe(least=least))
    words = ["recipe", "clean", lake.uri, "--keep", "1", "--older-than", "0s"]
    assert CliRunner().invoke(cli, words).exit_code == 2  # there is no terminal to ask at
    looked = CliRunner().invoke(cli, [*words, "--dry-run"])
    assert (looked.exit_code, "would remove" in looked.stdout) == (0, True)
    assert looked.stderr.endswith(f"recipe clean {lake.uri} --older-than 0s --keep 1 --yes\n")
    done = json.loads(CliRunner().invoke(cli, [*words, "--yes", "--json"]).stdout)
    assert (done["num_objects"] > 0, len(done["runs_removed"]), done["dry_run"]) == (True, 1, False)
    nothing = CliRunner().invoke(cli, words)
    assert (nothing.exit_code, "0 objects" in nothing.stdout) == (0, True)
    assert CliRunner().invoke(cli, [*words, "--older-than", "soon"]).exit_code == 2


def test_ledgers_that_recipes_over_more_datasets_read_stay(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, ["apple", "pear"])
    run(lake, Recipe("old", sources={"texts": "texts"}, stages=[Stage(name="only", operator=upper)]))
    table = pa.table([["n"], ["fig"]], schema=SCHEMA)
    lake.create_dataset("more", type="TABLE", schema=SCHEMA, key="id", source=table)
    union = Stage(
        name="all",
        sql="SELECT * FROM a UNION ALL SELECT * FROM b",
        inputs={"a": "texts", "b": "more"},
        key=["id"],
    )
    both = Recipe("both", sources={"texts": "texts", "more": "more"}, stages=[union, Stage(name="c", operator=upper)])
    assert calls(run(lake, both)) == 1
    run(lake, Recipe("old", sources={"texts": "texts"}, stages=[Stage(name="only", operator=poison)]))
    clean(lake)
    lake.dataset("more").commit(pa.table([["m"], ["plum"]], schema=SCHEMA))
    planned = both.plan(lake).stages()
    assert [stage.name for stage in planned] == ["all", "c"]
    assert calls(run(lake, both)) == 1
