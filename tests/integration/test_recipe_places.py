"""Recipes on lakes in a folder and in a bucket: workers, ledgers, claims and outputs are the same in both."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

import headrace
from headrace.curation import Recipe, Stage
from headrace.curation.chunk_claims import ChunkClaims
from headrace.curation.recipe_run import Run
from headrace.datasets.lake import Lake


def photo(side: int) -> bytes:
    stream = io.BytesIO()
    Image.radial_gradient("L").resize((side, side)).convert("RGB").save(stream, "PNG")
    return stream.getvalue()


def filled(uri: str) -> Lake:
    lake = headrace.connect(uri)
    rows = [{"id": f"größe {side}", "image": photo(side), "text": "a gradient"} for side in (16, 40, 64, 80)]
    rows.append({"id": "again", "image": photo(40), "text": "the same gradient"})
    lake.create_dataset("photos", type="IMAGE_TEXT", source=rows)
    return lake


def run(lake: Lake) -> Run:
    recipe = Recipe(
        "sharp",
        sources={"photos": "photos"},
        stages=[
            Stage(name="smaller", operator="image.resize", settings={"width": 32, "height": 32}),
            Stage(name="measure", operators=["image.size", "image.blur"]),
            Stage(name="wide", filter="width >= 20"),
            Stage(
                name="counted",
                sql="SELECT *, count(*) OVER (PARTITION BY width) AS alike FROM rows",
                inputs={"rows": "wide"},
                key=["width"],
            ),
        ],
        outputs={"final": {"stage": "counted", "dataset": "sharp"}},
    )
    return recipe.plan(lake).run(workers=2)


def test_recipe_gives_the_same_wherever_the_lake_lies(lake_uri: str, tmp_path: Path) -> None:
    lake = filled(lake_uri)
    found = run(lake)
    elsewhere = run(filled(str(tmp_path / "elsewhere")))
    assert found.outputs["final"].id == elsewhere.outputs["final"].id
    assert found.stages["measure"].record.calls == elsewhere.stages["measure"].record.calls
    rows = found.outputs["final"].take(range(found.outputs["final"].num_rows)).to_pylist()
    assert max(max(Image.open(io.BytesIO(row["image"])).size) for row in rows) == 32
    assert [key.key for key in lake.store.list("derived/curation/") if "/claim" in key.key] == []


def test_second_run_finds_everything(lake_uri: str) -> None:
    lake = filled(lake_uri)
    first = run(lake)
    again = run(headrace.connect(lake_uri))
    assert all(stage.cached for stage in again.stages.values())
    assert again.outputs["final"].id == first.outputs["final"].id
    told = first.explain(sample="größe 16")
    assert [stage.verdict for stage in told.stages][-1] == "dropped"


def test_claims_in_a_bucket_run_out(lake_uri: str) -> None:
    lake = filled(lake_uri)
    store = lake.store
    store.put("base/claims/left", b'{"owner": "nobody", "host": "elsewhere", "pid": 1}')
    store.put("base/claim-owners/old", b'{"owner": "old", "host": "elsewhere", "pid": 1}')
    ChunkClaims(store, "base/", steps=[], lease_seconds=60).clear_void()
    assert [stat.key for stat in store.list("base/")] == ["base/claim-owners/old"], "its owner may still renew it"


@pytest.mark.parametrize("workers", ["0", "1"])
def test_number_of_workers_does_not_count(lake_uri: str, workers: str) -> None:
    lake = filled(lake_uri)
    recipe = Recipe(
        "sizes",
        sources={"photos": "photos"},
        stages=[Stage(name="measure", operator="image.size")],
        outputs={"final": {"stage": "measure", "dataset": "sizes"}},
    )
    assert recipe.plan(lake).run(workers=int(workers)).outputs["final"].num_rows == 5
