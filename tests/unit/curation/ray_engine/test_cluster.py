"""What is said before a cluster is reached; tests/integration/test_ray_engine.py reaches one."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.ray_engine.cluster import ADDRESS_VARIABLE, RayCluster
from headrace.curation.recipe_plan import RecipePlan
from headrace.curation.run_options import RunOptions
from headrace.curation.run_records import find_run
from headrace.errors import InvalidInput, MissingExtra, NotFound, Unavailable
from tests.poison_operators import upper

pytest.importorskip("ray")

_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])


def plan_on(uri: str) -> RecipePlan:
    lake = headrace.connect(uri)
    table = pa.table([["k1"], ["süß"]], schema=_SCHEMA)
    lake.create_dataset("texts", type="TABLE", schema=_SCHEMA, key="id", source=table)
    recipe = Recipe("capitals", sources={"texts": "texts"}, stages=[Stage(name="capitals", operator=upper)])
    return recipe.plan(lake)


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port: int = place.getsockname()[1]
        return port


def test_cluster_that_does_not_answer_is_a_quick_and_clear_error(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    plan = plan_on(str(tmp_path / "lake"))
    began = time.monotonic()
    with pytest.raises(Unavailable, match=rf"no Ray cluster answers at {address}: .*refused.*--ray-address"):
        plan.run(engine="ray", ray_address=address)
    assert time.monotonic() - began < 20
    assert find_run(plan.lake.store, "last").state == "failed"


def test_address_of_the_environment_counts_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, "10.0.0.1:6379")
    assert RayCluster(None, num_workers=1).address == "10.0.0.1:6379"
    assert RayCluster("auto", num_workers=1).address == "auto"
    monkeypatch.delenv(ADDRESS_VARIABLE)
    assert RayCluster(None, num_workers=1).address == "local"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://10.0.0.1:10001", "Ray client"),
        ("10.0.0.1", "expected host:port"),
        ("10.0.0.1:ray", "expected host:port"),
    ],
)
def test_address_that_is_none_is_refused(tmp_path: Path, address: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        plan_on(str(tmp_path / "lake")).run(engine="ray", ray_address=address)


def test_lake_in_memory_is_refused_before_anything_is_written_down() -> None:
    plan = plan_on("memory://on-ray")
    with pytest.raises(InvalidInput, match=r"engine='ray' cannot work on memory://on-ray: .*s3://"):
        plan.run(engine="ray")
    with pytest.raises(NotFound):
        find_run(plan.lake.store, "last")


def test_this_process_is_no_worker(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="workers is 0"):
        plan_on(str(tmp_path / "lake")).run(engine="ray", workers=0)


def test_engines_are_named() -> None:
    with pytest.raises(InvalidInput, match=r"engine is 'dask': expected 'local' or 'ray'"):
        RunOptions(engine="dask")
    with pytest.raises(InvalidInput, match="ray_address is 'auto', but engine is 'local'"):
        RunOptions(ray_address="auto")


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = plan_on(str(tmp_path / "lake"))
    monkeypatch.setitem(sys.modules, "ray", None)  # what Python does where it is not installed
    with pytest.raises(MissingExtra, match=r"pip install 'headrace\[ray\]'"):
        plan.run(engine="ray")


def test_nothing_imports_ray_before_it_is_used(tmp_path: Path) -> None:
    program = (
        "import sys, headrace.curation.ray_engine.ray_run, headrace.curation.recipe_run, headrace.cli.main;"
        "from headrace.curation.ray_engine.cluster import RayCluster; RayCluster('local', num_workers=2).close();"
        "assert 'ray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
