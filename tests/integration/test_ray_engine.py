"""Recipes on Ray: the ids and bytes of a local run, whatever dies; on two nodes of this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.executor.step import Step
from headrace.curation.ledger import Ledger, block_schema
from headrace.curation.merge_rules import MergeRules
from headrace.curation.operator_stage import ChunkSize, ledger_base
from headrace.curation.ray_engine.cluster import FOLDER_PREFIX, RayCluster
from headrace.curation.ray_engine.owned_folders import make_owned_folder
from headrace.curation.ray_engine.ray_tables import RayTables
from headrace.curation.recipe_plan import RecipePlan
from headrace.curation.recipe_run import Run, run_plan
from headrace.curation.run_options import RunOptions
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.table_stages.merge_stage import run_merge
from headrace.curation.table_stages.sql_stage import run_sql
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput
from tests.poison_operators import poison, shared
from tests.stage_lakes import ROOM_BYTES, open_stage_store, put_rows
from tests.two_ray_nodes import TwoNodes, kill, pids_of, two_nodes, wait_until

pytest.importorskip("ray")
pytestmark = pytest.mark.xdist_group("ray")  # one cluster serves all tests

_ROOT = Path(__file__).resolve().parents[2]
_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])
_HOST = "ray::OperatorHost"


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    with two_nodes() as found:
        yield found


def lake_with(folder: Path, texts: list[str]) -> Lake:
    lake = headrace.connect(str(folder / "lake"))
    table = pa.table([[f"k{idx:05d}" for idx in range(len(texts))], texts], schema=_SCHEMA)
    lake.create_dataset("texts", type="TABLE", schema=_SCHEMA, key="id", source=table)
    return lake


def slow_recipe(log: Path, *, pause: float = 0.1) -> Recipe:
    return Recipe(
        "slow",
        sources={"texts": "texts"},
        stages=[Stage(name="measure", operator=shared, settings={"log": str(log), "pause": pause})],
        outputs={"final": {"stage": "measure", "dataset": "measured"}},
    )


def on_ray(plan: RecipePlan, **options: Any) -> Run:
    return run_plan(plan, options=RunOptions(engine="ray", chunk=ChunkSize(rows=5), **options))


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def ledger_of(plan: RecipePlan, stage: str) -> Ledger:
    step: Step = plan.steps[stage][0]
    return Ledger(plan.stage_store.store, ledger_base(plan.stage_store, step), schema=block_schema(step.spec))


def num_rows_in_blocks(plan: RecipePlan, stage: str) -> int:
    """Rows of all blocks, also of those about the same inputs."""
    base = ledger_base(plan.stage_store, plan.steps[stage][0])
    store = plan.stage_store.store
    blocks = [stat.key for stat in store.list(base) if stat.key.endswith(".block")]
    return sum(pa.ipc.open_file(pa.py_buffer(store.get(key)).slice(32)).read_all().num_rows for key in blocks)


# ------------------------------------------------------------------------------------------------ the same everywhere


def photo_lake(folder: Path) -> Lake:
    """Photos in folders whose names are their labels; two of them make an operator misbehave."""
    random = np.random.default_rng(7)
    for idx in range(24):
        label = {3: "segfault-1", 9: "segfault-1", 14: "bad-ß"}.get(idx, "ab"[idx % 2])
        place = folder / "in" / label / f"{idx}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 255, (40 + idx % 7, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place, "JPEG")
    (folder / "in" / "a" / "twin.jpg").write_bytes((folder / "in" / "a" / "0.jpg").read_bytes())
    lake = headrace.connect(str(folder / "lake"))
    lake.create_dataset("photos", type="IMAGE_CLASS", source=str(folder / "in"))
    return lake


def test_every_engine_gives_the_same_ids_and_bytes(nodes: TwoNodes, tmp_path: Path) -> None:
    """Media that is written anew, rows that crash and fail, an operator on the whole table, and SQL."""
    recipe = Recipe(
        "everything",
        sources={"photos": "photos"},
        stages=[
            Stage(name="resized", operator="image.resize", settings={"width": 20, "height": 20, "fit": "stretch"}),
            Stage(name="measured", operator="image.blur"),
            Stage(name="labelled", operator=poison, columns={"text": "label"}, settings={"log": ""}),
            Stage(name="once", operator="exact.duplicates", settings={"by": ["blur"]}),
            Stage(name="told", sql="SELECT *, length * 2 AS twice FROM input WHERE blur > 0", key=["id"]),
        ],
        outputs={"final": {"stage": "told", "dataset": "curated"}},
    )
    ways: dict[str, dict[str, Any]] = {"local-1": {"workers": 1}, "local-2": {"workers": 2}, "ray": {"engine": "ray"}}
    found = {}
    for name, options in ways.items():
        plan = recipe.plan(photo_lake(tmp_path / name))
        run = run_plan(plan, options=RunOptions(chunk=ChunkSize(rows=5), **options))
        results = {stage.record.name: stage.result for stage in run.stages.values()}
        found[name] = {
            "plan": plan.hash,
            "output": run.outputs["final"].id,
            "parts": {
                stage: [rows.to_json() for rows in (result.rows, result.dropped, result.failed)]
                for stage, result in results.items()
            },
        }
        failed = run.stages["labelled"].quarantined_rows().to_pylist()
        assert [(row["_id"], row["class"], row["attempt"]) for row in failed] == [
            ("1:bad-ß/14.jpg", "InvalidInput", 1),
            ("1:segfault-1/3.jpg", "Crashed", 2),
            ("1:segfault-1/9.jpg", "Crashed", 2),
        ]
        assert (run.stages["once"].dropped, run.outputs["final"].num_rows) == (1, 21)
    assert found["local-1"] == found["local-2"] == found["ray"]
    wait_until(lambda: not pids_of(_HOST))  # the run has given the cluster back


def numbers(store: StageStore, *, num_rows: int) -> dict[str, StageRows]:
    left = pa.table(
        {
            "k": pa.array([None if row % 97 == 0 else row * 7919 % 1_009 for row in range(num_rows)], pa.int64()),
            "s": [f"süß {row % 13}" for row in range(num_rows)],
            "v": [row / 7 for row in range(num_rows)],
        }
    )
    right = pa.table({"k": list(range(0, 1_009, 3)), "w": [row * 2 for row in range(0, 1_009, 3)]})
    return {
        "a": put_rows(store, left, part_rows=max(1, num_rows // 7)),
        "b": put_rows(store, right, part_rows=100),
        "c": put_rows(store, right.slice(0, 0)),
    }


_SQL = """SELECT k, count(*) AS n, sum(v) AS total, list(s ORDER BY s, v)[1:3] AS texts, max(w) AS w
          FROM a LEFT JOIN b USING (k) LEFT JOIN (SELECT k, w AS nothing FROM c) USING (k) GROUP BY k"""


def sql_on(store: StageStore, inputs: dict[str, StageRows], scratch: Path, **options: Any) -> StageRows:
    found = run_sql(
        store, inputs, sql=_SQL, key=["k"], memory_bytes=ROOM_BYTES, num_workers=2, scratch=scratch, **options
    )
    assert list(scratch.iterdir()) == []
    return found


def ray_tables(cluster: RayCluster) -> RayTables:
    return RayTables(cluster, lambda: None)


def test_sql_in_partitions_is_the_same_on_ray(nodes: TwoNodes, tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    inputs = numbers(store, num_rows=20_000)
    wanted = sql_on(store, inputs, tmp_path / "scratch", num_partitions=1)
    cluster = RayCluster(nodes.address, num_workers=None)
    assert cluster.num_workers == 2
    found = sql_on(store, inputs, tmp_path / "scratch", num_partitions=7, engine=ray_tables(cluster))
    assert found.to_json() == wanted.to_json()


def test_errors_of_partitions_are_those_of_this_process(nodes: TwoNodes, tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    inputs = {"a": put_rows(store, pa.table({"k": [1, 2, 3], "s": ["1", "2", "three"]}), part_rows=1)}
    with pytest.raises(InvalidInput, match="three"):
        run_sql(
            store,
            inputs,
            sql="SELECT k, CAST(s AS BIGINT) AS n FROM a",
            key=["k"],
            memory_bytes=ROOM_BYTES,
            num_workers=2,
            scratch=tmp_path / "scratch",
            num_partitions=2,
            engine=ray_tables(RayCluster(nodes.address, num_workers=None)),
        )


def test_merge_in_partitions_is_the_same_on_ray(nodes: TwoNodes, tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    rules = MergeRules(
        identity="image",
        source="source",
        weights=(("danbooru", 1.0), ("pixiv", 0.5)),
        functions=(("score", "max"), ("tags", "weighted_vote")),
    )
    rows = [
        {
            "image": f"i{row % 211:03d}",
            "source": ("danbooru", "pixiv")[row // 211 % 2],
            "_id": f"r{row}",
            "tags": [f"t{row % 5}", "猫"],
            "score": row,
        }
        for row in range(844)
    ]
    inputs = {"input": put_rows(store, pa.Table.from_pylist(rows), part_rows=100)}
    options: dict[str, Any] = {
        "rules": rules,
        "memory_bytes": ROOM_BYTES,
        "num_workers": 2,
        "scratch": tmp_path / "scratch",
    }
    wanted = run_merge(store, inputs, **options)
    tables = ray_tables(RayCluster(nodes.address, num_workers=None))
    assert run_merge(store, inputs, **options, num_partitions=5, engine=tables).to_json() == wanted.to_json()


# ------------------------------------------------------------------------------------------------------ what may die


def test_killed_worker_and_killed_node_cost_a_chunk_each(nodes: TwoNodes, tmp_path: Path) -> None:
    texts = [f"text {idx}" for idx in range(60)]
    log = tmp_path / "log"
    plan = slow_recipe(log).plan(lake_with(tmp_path, texts))
    struck: list[str] = []
    is_over = threading.Event()

    def strike() -> None:
        while not is_over.wait(0.02):
            num_calls = len(lines(log))
            if num_calls >= 8 and not struck:
                kill(pids_of(_HOST)[0])
                struck.append("worker")
            elif num_calls >= 25 and len(struck) == 1:
                struck.append("node")
                nodes.kill_other()

    striking = threading.Thread(target=strike)
    striking.start()
    try:
        run = on_ray(plan)
    finally:
        is_over.set()
        striking.join()
        nodes.replace_other()
    assert struck == ["worker", "node"]
    assert run.stages["measure"].to_arrow().column("text").to_pylist() == texts
    assert run.record.num_quarantined == 0
    assert num_rows_in_blocks(plan, "measure") == 60  # each result once
    assert len(lines(log)) <= 60 + 2 * 5


def ray_folders() -> list[Path]:
    """Of clusters that runs started."""
    places = {Path(tempfile.gettempdir()), Path("/tmp")}
    return [folder for place in places for folder in place.glob(f"{FOLDER_PREFIX}*")]


_DRIVER = """
import sys
from pathlib import Path
import headrace
from tests.integration.test_ray_engine import on_ray, slow_recipe
run = on_ray(slow_recipe(Path(sys.argv[2])).plan(headrace.connect(sys.argv[1])), workers=1, ray_address=sys.argv[3])
"""


def test_killed_driver_takes_its_cluster_along_and_the_next_run_goes_on(nodes: TwoNodes, tmp_path: Path) -> None:
    texts = [f"text {idx}" for idx in range(40)]
    lake = lake_with(tmp_path, texts)
    log = tmp_path / "log"
    before, folders = set(pids_of(FOLDER_PREFIX)), set(ray_folders())
    words = [sys.executable, "-c", _DRIVER, lake.uri, str(log), "local"]
    driver = subprocess.Popen(words, cwd=_ROOT, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: len(lines(log)) >= 12 or driver.poll() is not None)
        assert driver.poll() is None, driver.stderr and driver.stderr.read()
        own = set(pids_of(FOLDER_PREFIX)) - before
        assert own
    finally:
        driver.kill()
        driver.communicate()
    wait_until(lambda: not own & set(pids_of(FOLDER_PREFIX)))
    left = set(ray_folders()) - folders
    assert left
    shutil.rmtree(make_owned_folder(FOLDER_PREFIX, root=str(next(iter(left)).parent)))  # as the next local cluster does
    assert not left & set(ray_folders())
    num_calls = len(lines(log))
    plan = slow_recipe(log).plan(lake)
    run = on_ray(plan)
    assert run.stages["measure"].to_arrow().column("text").to_pylist() == texts
    assert run.record.stages[0].calls == {"test.shared": 40 - num_calls // 5 * 5}
    assert len(lines(log)) <= 40 + 5
    assert num_rows_in_blocks(plan, "measure") == 40


def installed_operators(folder: Path) -> Path:
    """A folder with a package that has an operator of the tests."""
    place = folder / "site" / "slow_operators-1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: slow-operators\nVersion: 1.0\n")
    (place / "entry_points.txt").write_text("[headrace.operators]\ntest.shared = tests.poison_operators:shared\n")
    return place.parent


_RECIPE = """
recipe: slow
sources:
  texts: texts
stages:
  - name: measure
    operator: test.shared
    settings: {{log: {log}, pause: 0.1}}
outputs:
  final: {{stage: measure, dataset: measured}}
"""


def test_interrupted_command_gives_the_cluster_back_and_goes_on(nodes: TwoNodes, tmp_path: Path) -> None:
    lake = lake_with(tmp_path, [f"text {idx}" for idx in range(30)])
    log = tmp_path / "log"
    file = tmp_path / "recipe.yaml"
    file.write_text(_RECIPE.format(log=log))
    words = [sys.executable, "-m", "headrace.cli", "recipe", "run", str(file), "--lake", lake.uri]
    words += ["--engine", "ray", "--ray-address", nodes.address, "--json"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(_ROOT), str(installed_operators(tmp_path)), *sys.path]),
    }
    command = subprocess.Popen(
        words, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: len(lines(log)) >= 3 or command.poll() is not None)
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=300)
    finally:
        command.kill()
        command.communicate()
    assert command.returncode == 130, said
    wait_until(lambda: not pids_of(_HOST))
    done = subprocess.run(
        words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["stages"][0]["rows_out"] == 30
    assert lake.snapshot(f"measured@id:{document['outputs']['final']}").num_rows == 30
    assert "ray" not in done.stderr.lower()  # it says nothing of its own


def test_what_a_killed_node_had_dealt_is_dealt_again(nodes: TwoNodes, tmp_path: Path) -> None:
    """The last test: it leaves one node."""
    store = open_stage_store(tmp_path)
    inputs = numbers(store, num_rows=60_000)
    wanted = sql_on(store, inputs, tmp_path / "scratch", num_partitions=1)
    tables = ray_tables(RayCluster(nodes.address, num_workers=None))
    is_struck: list[bool] = []

    class StrikingProgress:
        """Kills the node when the rows are dealt, before they are gathered."""

        def start(self, stage: str, *, total_rows: int | None = None, total_bytes: int | None = None) -> None:
            if stage == "computing partitions" and not is_struck:
                is_struck.append(True)
                nodes.kill_other()

        def advance(self, rows: int = 0, bytes: int = 0) -> None: ...  # noqa: A002 - as `Progress` has it

        def finish(self) -> None: ...

    try:
        found = sql_on(
            store, inputs, tmp_path / "scratch", num_partitions=6, engine=tables, progress=StrikingProgress()
        )
    finally:
        nodes.replace_other()
    assert is_struck
    assert found.to_json() == wanted.to_json()
