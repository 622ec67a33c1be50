"""Parameters come from the recipe or a file, and `--set` replaces them."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.curation.recipe_file.nodes import node_of
from headrace.curation.recipe_file.parameters import overrides_from_text, read_parameters
from headrace.curation.recipe_file.problems import Problems
from headrace.errors import InvalidInput


def values(default: object, folder: Path, **overrides: object) -> dict[str, object]:
    problems = Problems()
    found = read_parameters(node_of(default), folder=folder, overrides=overrides, problems=problems)
    problems.raise_any()
    return {name: node.plain for name, node in found.items()}


def test_overrides_replace_defaults(tmp_path: Path) -> None:
    default = {"low": 1, "names": ["a"], "half": 0.5, "any": None, "on": True}
    assert values(default, tmp_path, low=2, names=["b", "c"], any="x", on=False) == {
        "low": 2, "names": ["b", "c"], "half": 0.5, "any": "x", "on": False,
    }  # fmt: skip


def test_numbers_replace_numbers(tmp_path: Path) -> None:
    assert values({"low": 1, "half": 0.5}, tmp_path, low=1.5, half=1) == {"low": 1.5, "half": 1}


def test_parameters_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "p.yaml").write_text("low: 3\n", encoding="utf-8")
    assert values("more/p.yaml", tmp_path) == {"low": 3}
    assert values("more/p.yaml", tmp_path, low=4) == {"low": 4}


def test_empty_parameters(tmp_path: Path) -> None:
    assert values(None, tmp_path) == {}


def test_text_of_options_is_read_as_yaml() -> None:
    found = overrides_from_text(("a=1", "b=x=y", "c=true", "d=[1, two]", "e='1'", "f=", "g=0.5"))
    assert found == {"a": 1, "b": "x=y", "c": True, "d": [1, "two"], "e": "1", "f": None, "g": 0.5}


@pytest.mark.parametrize("text", ["a", "=1", "a-b=1", "a=[", "a={b: 1", "1=2"])
def test_text_that_is_no_option_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        overrides_from_text((text,))


def test_option_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'a' is set twice"):
        overrides_from_text(("a=1", "a=2"))
