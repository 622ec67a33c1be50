"""What operators declare to need decides whether a run begins, and where its workers run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.operator import Operator
from headrace.curation.operator_stage import ChunkSize
from headrace.curation.recipe_run import Run, run_plan
from headrace.curation.run_options import RunOptions
from headrace.curation.run_records import find_run
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput, NotFound
from tests.place_operators import gpu, gpu_or_not, large

_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = headrace.connect(str(tmp_path / "lake"))
    table = pa.table([[f"k{idx}" for idx in range(8)], [f"text {idx}" for idx in range(8)]], schema=_SCHEMA)
    lake.create_dataset("texts", type="TABLE", schema=_SCHEMA, key="id", source=table)
    return lake


def run(lake: Lake, operator: Operator[Any, Any], *, settings: dict[str, Any] | None = None, **options: Any) -> Run:
    stage = Stage(name="captions", operator=operator, settings=settings or {})
    recipe = Recipe("needs", sources={"texts": "texts"}, stages=[stage])
    return run_plan(recipe.plan(lake), options=RunOptions(chunk=ChunkSize(rows=1), **options))


def devices(found: Run) -> set[str]:
    return set(found.stages["captions"].to_arrow().column("device").to_pylist())


@pytest.mark.parametrize("workers", [0, 2])
def test_run_that_needs_a_gpu_does_not_begin_without(lake: Lake, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(
        InvalidInput, match=r"stage 'captions': test\.gpu needs 1 GPU; CUDA_VISIBLE_DEVICES='' names none"
    ):
        run(lake, gpu, workers=workers)
    with pytest.raises(NotFound):
        find_run(lake.store, "last")


def test_each_worker_sees_a_gpu_of_its_own(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meet").mkdir()
    settings = {"meet": str(tmp_path / "meet")}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert devices(run(lake, gpu, settings=settings, workers=4)) == {"3", "5"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    again = run(lake, gpu, settings=settings, workers=4)  # what is known needs none
    assert again.stages["captions"].cached
    assert devices(again) == {"3", "5"}
    lake.dataset("texts").commit(pa.table([["new"], ["text 1"]], schema=_SCHEMA))
    grown = run(lake, gpu, settings=settings, workers=4)  # nor does a row whose input is known
    assert grown.stages["captions"].record.calls == {"test.gpu": 0}


def test_operator_that_can_do_without_runs_without(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices(run(lake, gpu_or_not, workers=2)) == {""}


def test_need_above_the_ceiling_is_refused(lake: Lake) -> None:
    with pytest.raises(
        InvalidInput, match=r"stage 'captions': test\.large needs 3\.\d+ GB of memory; .* Raise --memory"
    ):
        run(lake, large, memory_bytes=1 << 30)
    assert run(lake, large, workers=0).stages["captions"].rows_out == 8
