"""`headrace operators list` and `show`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from headrace.cli.main import cli
from headrace.curation.registry import BUILT_IN


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, list(words))
    return result.exit_code, result.stdout, result.stderr


def test_list_names_every_operator_and_what_to_do_next() -> None:
    code, stdout, stderr = run("operators", "list")
    assert code == 0
    assert [line.split()[0] for line in stdout.splitlines()[1:]] == sorted(BUILT_IN)
    assert f"operators show {min(BUILT_IN)}" in stderr


def test_evidence_names_library_oracle_and_rows() -> None:
    _, stdout, _ = run("operators", "list", "--evidence")
    line = next(line for line in stdout.splitlines() if line.startswith("image.blur "))
    assert "opencv " in line
    assert "scipy.ndimage " in line
    assert "1,000" in line
    assert "experimental" not in stdout


def test_json_documents_hold_settings_and_evidence() -> None:
    _, stdout, _ = run("operators", "list", "--evidence", "--json")
    documents = {each["name"]: each for each in json.loads(stdout)["operators"]}
    assert documents["image.blur"]["evidence"]["oracle"].keys() == {"scipy.ndimage"}
    assert documents["image.phash"]["outputs"] == {"phash": "uint64"}
    assert documents["select.top_k"]["settings"][0] == {
        "name": "by", "type": "column", "default": None, "is_required": True,
        "meaning": "The column whose values are ranked: numbers, times or text.",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_show_tells_every_setting(name: str) -> None:
    code, stdout, _ = run("operators", "show", name, "--evidence")
    assert code == 0
    _, document, _ = run("operators", "show", name, "--json")
    assert [setting["name"] for setting in json.loads(document)["settings"] if setting["name"] not in stdout] == []
    assert "state" in stdout


def test_unknown_operator_gets_a_suggestion() -> None:
    code, _, stderr = run("operators", "show", "image.blurr")
    assert code == 2
    assert "Did you mean 'image.blur'?" in stderr
