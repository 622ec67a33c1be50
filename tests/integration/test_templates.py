"""Each template as a new user takes it: written, planned, run, run again."""

from __future__ import annotations

import csv
import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headrace
from headrace.curation import Recipe
from headrace.curation.frozen_todo import FrozenTodo
from headrace.curation.recipe_run import Run, run_plan
from headrace.curation.run_options import RunOptions
from headrace.curation.templates.crawled_pictures import crawl_pictures
from headrace.curation.templates.start import TEMPLATES, write_template
from headrace.datasets.lake import Lake
from tools.template_encoder import PLACE, encoder

pytestmark = pytest.mark.xdist_group("templates")  # one run of each serves all tests


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lake, Run]:
    return finished("multi-source-images", tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lake, Run]:
    return finished("three-layers", tmp_path_factory.mktemp("layers"))


def finished(name: str, folder: Path) -> tuple[Path, Lake, Run]:
    written = write_template(name, folder / "work")
    assert all(path.exists() for path in written)
    lake = headrace.connect(folder / "work" / "lake")
    Recipe.load(folder / "work" / "recipe.yaml").plan(lake).todo().write(folder / "first.todo.parquet")
    return folder / "work", lake, run(folder / "work", lake)


def true_drawings(folder: Path) -> dict[str, str]:
    with open(folder / "truth.csv", encoding="utf-8", newline="") as stream:
        return {row["id"]: row["drawing"] for row in csv.DictReader(stream)}


def run(folder: Path, lake: Lake) -> Run:
    return run_plan(Recipe.load(folder / "recipe.yaml").plan(lake), options=RunOptions(workers=0))


def test_templates_name_what_they_are_for() -> None:
    assert set(TEMPLATES) == {"image-filter", "multi-source-images", "three-layers"}
    assert all(template.summary.endswith(".") for template in TEMPLATES.values())


def test_second_run_of_pictures_finds_everything_known(pictures: tuple[Path, Lake, Run]) -> None:
    folder, lake, first = pictures
    again = run(folder, lake)
    assert all(stage.cached for stage in again.stages.values())
    assert {name: snapshot.id for name, snapshot in again.outputs.items()} == {
        name: snapshot.id for name, snapshot in first.outputs.items()
    }


def test_frozen_todo_of_pictures_leaves_out_what_metadata_ruled_out(pictures: tuple[Path, Lake, Run]) -> None:
    folder, _, first = pictures
    todo = FrozenTodo.read(folder.parent / "first.todo.parquet")
    counts = todo.counts()
    for site in ("danbooru", "pixiv", "twitter"):
        assert counts[f"metrics_{site}"] == first.stages[f"prefilter_{site}"].rows_out
    assert first.stages["prefilter_pixiv"].dropped > 20, "most of its pictures are amateurs'"


def test_identities_of_pictures_are_the_true_ones(pictures: tuple[Path, Lake, Run]) -> None:
    folder, _, first = pictures
    drawing = true_drawings(folder)
    rows = first.outputs["identities"].to_arrow(columns=["id", "identity_id"]).to_pylist()
    right = wrong = missed = 0
    for one, other in combinations(rows, 2):
        is_same = drawing[one["id"]] == drawing[other["id"]]
        is_found = one["identity_id"] == other["identity_id"]
        right += is_same and is_found
        wrong += is_found and not is_same
        missed += is_same and not is_found
    assert right > 80
    assert 2 * right / (2 * right + wrong + missed) >= 0.97, (right, wrong, missed)
    assert wrong == 0, "near variants stay apart"


def test_dedup_inside_a_platform_keeps_the_largest_and_loses_no_drawing(pictures: tuple[Path, Lake, Run]) -> None:
    folder, _, first = pictures
    drawing = true_drawings(folder)
    before = first.stages["same"].to_arrow().select(["id", "site", "pixels"]).to_pylist()
    after = first.stages["distinct"].to_arrow().select(["id", "site", "pixels"]).to_pylist()
    assert len(before) > len(after) == len({(row["site"], drawing[row["id"]]) for row in before})
    largest: dict[tuple[str, str], int] = {}
    for row in before:
        key = (row["site"], drawing[row["id"]])
        largest[key] = max(largest.get(key, 0), row["pixels"])
    assert all(row["pixels"] == largest[row["site"], drawing[row["id"]]] for row in after)


def test_latents_are_those_of_a_reference(pictures: tuple[Path, Lake, Run]) -> None:
    _, _, first = pictures
    row = first.outputs["training"].to_arrow(columns=["image", "latent"]).to_pylist()[0]
    latent = np.array(row["latent"])
    assert latent.shape == (4, 8, 8)
    with Image.open(io.BytesIO(row["image"])) as image:
        small = image.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC)
    pixels = np.asarray(small, np.float64) / 127.5 - 1
    luma = pixels @ [0.299, 0.587, 0.114]
    assert np.abs(latent[0] - luma.reshape(8, 8, 8, 8).mean(axis=(1, 3))).max() < 1e-5


def test_encoder_of_the_template_is_what_its_tool_writes() -> None:
    assert PLACE.read_bytes() == encoder()


def test_training_rows_have_prompts_in_the_budget_and_the_surest_first(pictures: tuple[Path, Lake, Run]) -> None:
    _, _, first = pictures
    rows = first.outputs["training"].to_arrow().to_pylist()
    assert len({row["identity_id"] for row in rows}) == len(rows) > 40
    assert all(row["prompt_tokens"] <= 16 and row["image"] for row in rows)
    assert sum("女" in row["prompt"] or "猫" in row["prompt"] for row in rows) == 0, "one vocabulary"
    assert any(len(row["sources"]) == 3 for row in rows)
    assert all(row["tags__confidence"] == sorted(row["tags__confidence"], reverse=True) for row in rows)
    assert {row["rating"] for row in rows} <= {"general", "sensitive", None}
    assert all(row["pixiv__rating"] in (None, "general", "explicit") for row in rows)


def test_pictures_are_the_same_each_time() -> None:
    first, again = crawl_pictures(num_drawings=8), crawl_pictures(num_drawings=8)
    assert [picture.row for picture in first] == [picture.row for picture in again]
    assert crawl_pictures(num_drawings=8, seed=1) != first


def test_layers_are_datasets_and_lead_back_to_the_raw_row(layers: tuple[Path, Lake, Run]) -> None:
    _, lake, first = layers
    clean, training = first.outputs["clean"], first.outputs["training"]
    assert lake.snapshot("raw").num_rows == 1200 > clean.num_rows > training.num_rows > 200
    bodies = clean.to_arrow(columns=["body", "topic"]).to_pylist()
    assert all(row["body"] == row["body"].strip() and "<" not in row["body"] for row in bodies)
    assert {row["topic"] for row in bodies} == {"billing", "login", "delivery", "app"}
    rows = training.to_arrow().to_pylist()
    assert {row["split"] for row in rows} == {"train", "validation"}
    sample = next(each for each in lake.lineage(rows[0]["id"]) if each.dataset == "training")
    assert sample.curated_from[0].dataset == "raw"


def test_later_rows_leave_the_split_of_earlier_ones(layers: tuple[Path, Lake, Run]) -> None:
    folder, lake, first = layers
    before = {row["id"]: row["split"] for row in first.outputs["training"].to_arrow().to_pylist()}
    rows = [
        {"id": f"new{n}", "system": "mail", "topic": "app", "body": f"seven words of a ticket number {n} {n}"}
        for n in range(9)
    ]
    lake.dataset("raw").commit(rows)
    grown = run(folder, lake)
    after = {row["id"]: row["split"] for row in grown.outputs["training"].to_arrow().to_pylist()}
    both = before.keys() & after.keys()
    assert len(both) > 0.9 * len(before)
    assert all(before[key] == after[key] for key in both)
    assert grown.stages["lengths"].record.calls == {"text.length": 9}
