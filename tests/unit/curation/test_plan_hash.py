"""The hash of a plan changes with what could change a result, in the stages that depend on it and in no others."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from headrace.curation.plan_hash import PlanHash
from headrace.curation.recipe import Recipe
from headrace.errors import InvalidInput, NotFound
from tests.curation_operators import Catalogue, catalogue

TEXT = """\
recipe: r
description: d
parameters: {low: 3, unused: 1}
sources: {photos: photos@raw, tags: tags}
stages:
  - {name: verify, operator: image.verify, input: photos, settings: {min_side: 32}}
  - {name: tag, operator: image.tag, settings: {model: model.onnx}}
  - {name: high, filter: tag > ${low}}
  - {name: enough, check: SELECT count(*) > 3 FROM input, message: few}
  - {name: joined, sql: SELECT * FROM a JOIN b USING (id), inputs: {a: enough, b: tags}, key: [id]}
  - {name: crop, command: [python, crop.py, "{input}", "{output}"], environment: {python: 3.11, requirements: r.txt}}
  - {name: apart, operators: [image.blur, image.phash], input: photos, sample: {share: 0.5}}
outputs:
  final: {stage: crop, dataset: kept, tags: {a: b}}
"""
FILES = {"recipe.yaml": TEXT, "model.onnx": "weights", "crop.py": "print(1)", "r.txt": "pillow", "other.txt": ""}
ALL = {"verify", "tag", "high", "enough", "joined", "crop", "apart"}
AFTER_TAG = {"tag", "high", "enough", "joined", "crop"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def hash_of(folder: Path, known: Catalogue | None = None, **parameters: object) -> PlanHash:
    return Recipe.load(folder / "recipe.yaml", set=parameters, catalogue=known or catalogue()).hash()


def changed(before: PlanHash, after: PlanHash) -> set[str]:
    stages = {name for name in before.stages if before.stages[name] != after.stages.get(name)}
    assert (before.digest != after.digest) or not stages
    return stages


def edited(folder: Path, file: str, old: str, new: str) -> PlanHash:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return hash_of(folder)


CHANGES = {
    "setting": ("recipe.yaml", "min_side: 32", "min_side: 33", ALL - {"apart"}),
    "content of a model": ("model.onnx", "weights", "others", AFTER_TAG),
    "parameter": ("recipe.yaml", "low: 3", "low: 4", AFTER_TAG - {"tag"}),
    "check": ("recipe.yaml", "count(*) > 3", "count(*) > 4", {"enough"}),
    "sql": ("recipe.yaml", "SELECT * FROM a", "SELECT a.* FROM a", {"joined", "crop"}),
    "key": ("recipe.yaml", "key: [id]", "key: [id, x]", {"joined", "crop"}),
    "content of a script": ("crop.py", "print(1)", "print(2)", {"crop"}),
    "argument": ("recipe.yaml", "[python, crop.py,", "[python, -B, crop.py,", {"crop"}),
    "Python of a command": ("recipe.yaml", "python: 3.11", "python: 3.12", {"crop"}),
    "requirements": ("r.txt", "pillow", "pillow==12", {"crop"}),
    "snapshot": ("recipe.yaml", "photos@raw", "photos@new", ALL),
    "dataset": ("recipe.yaml", "tags: tags}", "tags: labels}", {"joined", "crop"}),
    "sample": ("recipe.yaml", "share: 0.5", "share: 0.6", {"apart"}),
    "seed": ("recipe.yaml", "share: 0.5", "share: 0.5, seed: 1", {"apart"}),
    "operator": ("recipe.yaml", "image.blur", "image.entropy", {"apart"}),
    "where": ("recipe.yaml", "input: photos, sample", "input: photos, where: x > 1, sample", {"apart"}),
    "columns": ("recipe.yaml", "image.tag,", "image.tag, columns: {image: photo},", AFTER_TAG),
    "input": ("recipe.yaml", "image.phash], input: photos", "image.phash], input: verify", {"apart"}),
}


@pytest.mark.parametrize(("file", "old", "new", "stages"), CHANGES.values(), ids=CHANGES)
def test_change_is_seen_in_the_stages_that_depend_on_it(
    folder: Path, file: str, old: str, new: str, stages: set[str]
) -> None:
    before = hash_of(folder)
    assert changed(before, edited(folder, file, old, new)) == stages


@pytest.mark.parametrize(
    ("old", "new"),
    [("dataset: kept", "dataset: held"), ("tags: {a: b}", "tags: {a: c}"), ("stage: crop", "stage: joined")],
    ids=["dataset", "tag", "stage"],
)
def test_output_is_part_of_the_plan_and_of_no_stage(folder: Path, old: str, new: str) -> None:
    before = hash_of(folder)
    after = edited(folder, "recipe.yaml", old, new)
    assert changed(before, after) == set()
    assert after.digest != before.digest


NO_CHANGES = {
    "name of the recipe": ("recipe.yaml", "recipe: r", "recipe: other"),
    "description": ("recipe.yaml", "description: d", "description: more"),
    "unused parameter": ("recipe.yaml", "unused: 1", "unused: 2"),
    "parameter written out": ("recipe.yaml", "${low}", "3"),
    "message of a check": ("recipe.yaml", "message: few", "message: too few"),
    "default written out": ("recipe.yaml", "min_side: 32", "min_side: 32, strict: false"),
    "column that is called so": ("recipe.yaml", "image.tag,", "image.tag, columns: {image: image},"),
    "default input": ("recipe.yaml", "filter: tag", "input: tag, filter: tag"),
    "lake": ("recipe.yaml", "photos@raw", '"/data/lake::photos@raw"'),
    "name of a source": ("recipe.yaml", "photos", "photos"),
    "comment": ("recipe.yaml", "stages:", "# comment\nstages:"),
    "quotes": ("recipe.yaml", "image.tag", '"image.tag"'),
    "other file": ("other.txt", "", "x"),
}


@pytest.mark.parametrize(("file", "old", "new"), NO_CHANGES.values(), ids=NO_CHANGES)
def test_change_without_effect_keeps_the_hash(folder: Path, file: str, old: str, new: str) -> None:
    assert edited(folder, file, old, new).digest == hash_of(folder).digest
    (folder / file).write_text(FILES[file], encoding="utf-8")
    assert edited(folder, file, old, new).digest == hash_of(folder).digest


def test_names_of_stages_and_sources_do_not_count(folder: Path) -> None:
    before = hash_of(folder)
    text = TEXT.replace("{photos: photos@raw", "{pictures: photos@raw").replace("input: photos", "input: pictures")
    for name in ("verify", "high", "enough", "joined", "crop", "apart"):
        text = text.replace(f"name: {name}", f"name: {name}2").replace(f"stage: {name}", f"stage: {name}2")
    (folder / "recipe.yaml").write_text(text.replace("a: enough", "a: enough2"), encoding="utf-8")
    after = hash_of(folder)
    assert after.digest == before.digest
    assert set(after.stages.values()) == set(before.stages.values())


def test_check_changes_nothing_behind_it(folder: Path) -> None:
    before = hash_of(folder)
    check = "  - {name: enough, check: SELECT count(*) > 3 FROM input, message: few}\n"
    text = TEXT.replace(check, "").replace("a: enough", "a: high")
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    after = hash_of(folder)
    assert {name: before.stages[name] for name in after.stages} == after.stages
    assert after.digest != before.digest


def test_moved_folder_keeps_the_hash(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("else") / "deeper" / "down"
    shutil.copytree(folder, other)
    (other / "model.onnx").rename(other / "renamed.onnx")
    text = (other / "recipe.yaml").read_text(encoding="utf-8")
    (other / "recipe.yaml").write_text(text.replace("model.onnx", "renamed.onnx"), encoding="utf-8")
    assert hash_of(other).digest == hash_of(folder).digest


def _variant(known: Catalogue, name: str, **change: object) -> Catalogue:
    spec = dataclasses.replace(known.operators[name].spec, **change)  # type: ignore[arg-type]  # its fields
    known.operators[name] = dataclasses.replace(known.operators[name], spec=spec)
    return known


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"outputs": {"tag": "int64"}}, {"replaces": ("image",)}, {"kind": "batch"}]
)
def test_declaration_of_an_operator_counts(folder: Path, change: Mapping[str, object]) -> None:
    before = hash_of(folder)
    assert changed(before, hash_of(folder, _variant(catalogue(), "image.tag", **change))) == AFTER_TAG


def test_source_of_an_operator_counts(folder: Path) -> None:
    before = hash_of(folder)
    known = _variant(catalogue(), "image.tag", function=lambda image, *, model: str(model) + "x")
    assert changed(before, hash_of(folder, known)) == AFTER_TAG


def test_operator_that_cannot_be_followed_is_named(folder: Path) -> None:
    known = _variant(catalogue(), "image.tag", function=lambda image, *, model: eval("1"))
    with pytest.raises(InvalidInput, match=r"operator image\.tag: .*eval\(\) runs code"):
        hash_of(folder, known)


def test_file_that_goes_away_is_named(folder: Path) -> None:
    recipe = Recipe.load(folder / "recipe.yaml", catalogue=catalogue())
    (folder / "crop.py").unlink()
    with pytest.raises(NotFound, match=r"stage 'crop': the file .*crop\.py"):
        recipe.hash()


PROBE = """
import sys
from headrace.curation.recipe import Recipe
from tests.curation_operators import catalogue
print(Recipe.load(sys.argv[1], catalogue=catalogue()).hash().digest)
"""


def test_hash_is_that_of_any_process(folder: Path) -> None:
    def run(environment: Mapping[str, str]) -> str:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, str(folder / "recipe.yaml")],
            capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3],
            env={**os.environ, **environment},
        )  # fmt: skip
        return done.stdout.strip()

    assert run({"PYTHONHASHSEED": "1"}) == run({"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"}) == hash_of(folder).digest
