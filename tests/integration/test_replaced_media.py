"""Media that an operator writes anew goes on to later stages and into the output, wherever it is computed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headrace
from headrace.curation import Media, Recipe, Replace, Stage
from headrace.curation.operators.image_resize import image_resize
from headrace.datasets.lake import Lake


def photos(folder: Path) -> Lake:
    random = np.random.default_rng(7)
    for idx in range(12):
        place = folder / "in" / "ab"[idx % 2] / f"{idx}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 255, (40 + idx, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place, "JPEG")
    lake = headrace.connect(folder / "lake")
    lake.create_dataset("photos", type="IMAGE_CLASS", source=str(folder / "in"))
    return lake


def recipe() -> Recipe:
    return Recipe(
        "small",
        sources={"photos": "photos"},
        stages=[
            Stage(name="large", filter="image.height > 42"),
            Stage(name="resized", operator="image.resize", settings={"width": 20, "height": 20, "fit": "stretch"}),
            Stage(name="measured", operator="image.blur"),
        ],
        outputs={"final": {"stage": "measured", "dataset": "small"}},
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_resized_photos_are_measured_and_committed(tmp_path: Path, workers: int) -> None:
    lake = photos(tmp_path)
    run = recipe().plan(lake).run(workers=workers)
    rows = run.outputs["final"].to_arrow().to_pylist()
    assert len(rows) == 9
    originals = {row["id"]: row["image"] for row in lake.dataset("photos").snapshot().to_arrow().to_pylist()}
    for row in rows:
        expected = image_resize(Media(originals[row["id"]]), width=20, height=20, fit="stretch")["image"]
        assert isinstance(expected, Replace)
        assert row["image"] == expected.data
        assert Image.open(io.BytesIO(row["image"])).size == (20, 20)
        assert (row["width"], row["height"]) == (20, 20)
    narrow = run.stages["measured"].to_arrow().column("image").to_pylist()
    assert {(image["width"], image["height"]) for image in narrow} == {(20, 20)}
    assert lake.verify().problems == []
    again = recipe().plan(lake).run(workers=workers)
    assert all(stage.cached for stage in again.stages.values())
    assert again.outputs["final"].id == run.outputs["final"].id


def test_purge_removes_what_was_written_anew(tmp_path: Path) -> None:
    lake = photos(tmp_path)
    recipe().plan(lake).run(workers=0)
    curation = tmp_path / "lake" / "derived" / "curation"
    assert list(curation.rglob("*.tar"))
    lake.dataset("photos").purge(where="id = 'a/4.jpg'")
    assert [path for path in curation.rglob("*") if path.is_file() and "runs" not in path.parts] == []
    assert recipe().plan(lake).run(workers=0).outputs["final"].num_rows == 8
