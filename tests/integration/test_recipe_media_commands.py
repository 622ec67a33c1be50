"""Commands that read media from files and make it anew."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

import headrace
from headrace.curation import Recipe, Stage
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput

_HALVE = """
import sys
from pathlib import Path
from PIL import Image
given, made = (Path(folder) / "media" / "image" for folder in sys.argv[1:])
made.mkdir(parents=True)
for path in sorted(given.iterdir()):
    image = Image.open(path)
    if image.width > 20:
        image.resize((image.width // 2, image.height // 2)).save(made / f"{path.stem}.png")
"""


def lake_with(tmp_path: Path) -> Lake:
    lake = headrace.connect(str(tmp_path / "lake"))
    rows = []
    for idx, side in enumerate((16, 32, 64)):
        stream = io.BytesIO()
        Image.new("RGB", (side, side), (idx * 40, 90, 10)).save(stream, "JPEG")
        rows.append({"id": f"größe {side}/x.jpg", "image": stream.getvalue(), "text": "a square"})
    lake.create_dataset("photos", type="IMAGE_TEXT", source=rows)
    return lake


def recipe(tmp_path: Path, *, media: list[str]) -> Recipe:
    (tmp_path / "halve.py").write_text(_HALVE)
    return Recipe(
        "halves",
        sources={"photos": "photos"},
        stages=[
            Stage(name="halved", command=["python", "halve.py", "{input}", "{output}"], media=media),
            Stage(name="sized", operator="image.size"),
        ],
        outputs={"final": {"stage": "sized", "dataset": "halved"}},
        folder=tmp_path,
    )


def test_command_makes_media_that_later_stages_and_outputs_have(tmp_path: Path) -> None:
    lake = lake_with(tmp_path)
    made = recipe(tmp_path, media=["image"])
    rows = made.plan(lake).run(workers=1).outputs["final"].take([0, 1, 2]).to_pylist()
    assert [Image.open(io.BytesIO(row["image"])).size for row in rows] == [(16, 16), (16, 16), (32, 32)]
    assert [row["width"] for row in rows] == [16, 16, 32]
    assert all(stage.cached for stage in made.plan(lake).run(workers=1).stages.values())


def test_media_that_is_not_there_is_refused(tmp_path: Path) -> None:
    lake = lake_with(tmp_path)
    with pytest.raises(InvalidInput, match=r"'picture' is no media column\. There are 'image'"):
        recipe(tmp_path, media=["picture"]).plan(lake).run(workers=1)
