"""The published schema accepts what is read and refuses misspelt keys."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest

from headrace.curation import recipe_file
from headrace.curation.recipe import Recipe
from headrace.curation.recipe_file.schema import field_tables, recipe_schema
from headrace.curation.recipe_file.yaml_reading import read_yaml
from tests.curation_operators import catalogue

EXAMPLE = re.findall(r"```yaml\n(.*?)```", inspect.getdoc(recipe_file) or "", re.DOTALL)[0]


def refusals(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(recipe_schema())
    return [error.message for error in validator.iter_errors(read_yaml(text, file="f").plain)]


def test_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(recipe_schema())


def test_example_of_the_reference_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(EXAMPLE, encoding="utf-8")
    recipe = Recipe.load(path, catalogue=catalogue())
    assert [stage.name for stage in recipe.stages][-1] == "enough"
    assert len(recipe.hash().digest) == 64
    assert refusals(EXAMPLE) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("filter: blur", "filtre: blur"), ("recipe:", "recipes:"), ("dataset: photos", "data: photos")],
)
def test_mistakes_are_refused_by_the_schema_too(old: str, new: str) -> None:
    assert old in EXAMPLE
    assert refusals(EXAMPLE.replace(old, new)) != []


@pytest.mark.parametrize("sample", ["{rows: 5}", "{rows: '${n}'}", "{share: 0.5, seed: '${n}'}"])
def test_placeholder_stands_for_a_number(sample: str) -> None:
    text = f"recipe: r\nsources: {{a: b}}\nstages:\n- {{name: a, operator: x.y, sample: {sample}}}\n"
    assert refusals(text) == []
    assert refusals(text.replace("'${n}'", "n").replace(": 5", ": n").replace("0.5", "n")) != []


def test_every_key_is_described() -> None:
    def fields(schema: dict[str, Any]) -> list[dict[str, Any]]:
        parts = [schema, *schema["$defs"].values()]
        return [field for part in parts for field in part.get("properties", {}).values()]

    assert [field for field in fields(recipe_schema()) if not field.get("description")] == []
    assert "| `where` | text |  |" in field_tables()
