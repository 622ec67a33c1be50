"""`headrace recipe validate` and `graph`: stages, hash, and problems with exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from headrace.cli.main import cli

TEXT = """\
recipe: short-texts
parameters: {limit: 60}
sources: {texts: intents@raw}
stages:
  - name: short
    filter: length(text) < ${limit}
  - name: enough
    check: SELECT count(*) > 0 FROM input
outputs:
  final: {stage: short, dataset: kept, tags: {a: b}}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "recipe.yaml").write_text(TEXT, encoding="utf-8")
    return str(tmp_path / "recipe.yaml")


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["recipe", *words])


def test_validate_shows_stages_and_hash(file: str) -> None:
    found = run("validate", file)
    assert found.exit_code == 0, found.output
    lines = found.stdout.splitlines()
    assert lines[0] == "recipe  short-texts"
    assert len(lines[1].removeprefix("hash    ")) == 64
    assert lines[3].split() == ["stage", "kind", "reads", "what", "hash"]
    assert lines[4].split()[:3] == ["short", "filter", "texts"]
    assert "recipe plan" in found.stderr


def test_validate_prints_one_document(file: str) -> None:
    found = json.loads(run("validate", file, "--json").stdout)
    assert found["recipe"] == "short-texts"
    assert found["sources"] == {"texts": "intents@raw"}
    assert [(stage["name"], stage["kind"], stage["inputs"]) for stage in found["stages"]] == [
        ("short", "filter", {"input": "texts"}),
        ("enough", "check", {"input": "short"}),
    ]
    assert found["outputs"] == {"final": {"stage": "short", "dataset": "kept", "tags": {"a": "b"}}}


def test_parameters_are_set(file: str) -> None:
    first = json.loads(run("validate", file, "--json").stdout)
    second = json.loads(run("validate", file, "--set", "limit=61", "--json").stdout)
    assert second["stages"][0]["summary"] == "length(text) < 61"
    assert first["plan_hash"] != second["plan_hash"]
    found = run("validate", file, "--set", "limt=61")
    assert (found.exit_code, "Did you mean 'limit'?" in found.stderr) == (2, True)


def test_problems_are_told_at_once_with_exit_code_2(file: str) -> None:
    Path(file).write_text(TEXT.replace("${limit}", "${limt}").replace("stage: short", "stage: shrt"), encoding="utf-8")
    found = run("validate", file)
    assert (found.exit_code, found.stdout) == (2, "")
    first, second = found.stderr.splitlines()
    assert first.startswith(f"error: {file}:6:13: there is no parameter 'limt'")
    assert second.startswith(f"{file}:10:18: output 'final': there is no stage 'shrt'. Did you mean 'short'?")
    document = json.loads(run("validate", file, "--json").stdout)
    assert document["error"]["code"] == "invalid-input"
    assert [(item["line"], item["column"]) for item in document["error"]["problems"]] == [(6, 13), (10, 18)]


def test_recipe_that_is_not_there_has_exit_code_3(tmp_path: Path) -> None:
    assert run("validate", str(tmp_path / "none.yaml")).exit_code == 3


def test_graph_is_mermaid(file: str) -> None:
    found = run("graph", file)
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("flowchart TD\n")
    document = json.loads(run("graph", file, "--json").stdout)
    assert document["edges"] == [["texts", "short"], ["short", "enough"], ["short", "final"]]
    assert document["mermaid"] == found.stdout


def test_misspelt_command_gets_a_suggestion() -> None:
    found = run("validat")
    assert (found.exit_code, "'validate'" in found.stderr) == (2, True)
