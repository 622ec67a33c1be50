"""Two runs of one recipe on one lake at the same time: they share the work, and both get the output."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa

import headrace

_ROOT = Path(__file__).resolve().parents[2]
_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])
_NUM_ROWS = 240
_RUN = """
import json, pathlib, sys, time
import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.operator_stage import ChunkSize
from headrace.curation.recipe_run import run_plan
from headrace.curation.run_options import RunOptions
from tests.poison_operators import shared, upper

lake, folder, number = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
for line in sys.stdin:
    round_idx = int(line)
    log = str(folder / f"calls-{round_idx}")
    recipe = Recipe(
        "race",
        sources={"texts": "texts"},
        stages=[
            Stage(name="measure", operator=shared, settings={"log": log, "pause": 0.001}),
            Stage(name="capitals", operator=upper),
        ],
        outputs={"final": {"stage": "capitals", "dataset": f"curated_{round_idx % 2}"}},
    )
    plan = recipe.plan(headrace.connect(lake))
    (folder / f"ready-{round_idx}-{number}").touch()
    while not (folder / f"go-{round_idx}").exists():
        time.sleep(0.001)
    run = run_plan(plan, options=RunOptions(workers=2, chunk=ChunkSize(rows=20)))
    calls = {name: dict(stage.record.calls) for name, stage in run.stages.items()}
    print(json.dumps({"snapshot": run.outputs["final"].id, "calls": calls}), flush=True)
"""


def test_runs_that_race_both_get_the_output_and_compute_nothing_twice(tmp_path: Path) -> None:
    """Even rounds make their dataset or find it made, odd ones as well; later ones commit to one that is there."""
    lake = headrace.connect(str(tmp_path / "lake"))
    texts = [f"text {idx} é" for idx in range(_NUM_ROWS)]
    table = pa.table([[f"k{idx:05d}" for idx in range(_NUM_ROWS)], texts], schema=_SCHEMA)
    lake.create_dataset("texts", type="TABLE", schema=_SCHEMA, key="id", source=table)
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", _RUN, lake.uri, str(tmp_path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        for number in range(2)
    ]
    try:
        for round_idx in range(3):
            for run in runs:
                assert run.stdin is not None
                run.stdin.write(f"{round_idx}\n")
                run.stdin.flush()
            _wait_for([tmp_path / f"ready-{round_idx}-{number}" for number in range(2)])
            (tmp_path / f"go-{round_idx}").touch()
            told = [json.loads(run.stdout.readline()) for run in runs if run.stdout is not None]
            assert told[0]["snapshot"] == told[1]["snapshot"]
            snapshot = lake.snapshot(f"curated_{round_idx % 2}@id:{told[0]['snapshot']}")
            assert snapshot.to_arrow(["text", "upper"]).to_pydict() == {
                "text": texts,
                "upper": [text.upper() for text in texts],
            }
            calls = (tmp_path / f"calls-{round_idx}").read_text(encoding="utf-8").splitlines()
            assert sorted(calls) == sorted(texts)
        assert [run.communicate()[0] for run in runs] == ["", ""]
        assert [run.returncode for run in runs] == [0, 0]
    finally:
        for run in runs:
            run.kill()
            run.communicate()


def _wait_for(paths: list[Path]) -> None:
    deadline = time.monotonic() + 60
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.01)
