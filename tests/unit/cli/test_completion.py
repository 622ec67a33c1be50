"""The printed scripts are click's, and the program answers them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from headrace.cli.main import cli


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_names_the_program_and_its_variable(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_HEADRACE_COMPLETE" in result.stdout
    assert "headrace" in result.stdout
    assert result.stderr.startswith("Next: ")
    document = json.loads(CliRunner().invoke(cli, ["completion", shell, "--json"]).stdout)
    assert document["shell"] == shell
    assert document["script"] == result.stdout


def test_unknown_shell_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli, ["completion", "tcsh"])
    assert result.exit_code == 2
    assert "'bash', 'fish', 'zsh'" in result.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("headrace da", ["dataset"]),
        ("headrace dataset cr", ["create"]),
        ("headrace snapshot --al", ["--alias"]),
        ("headrace commit x y --on-invalid ", ["raise", "skip"]),
    ],
)
def test_words_are_completed(words: str, expected: list[str]) -> None:
    count = len(words.split(" ")) - 1
    environment = {"_HEADRACE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    result = CliRunner().invoke(cli, [], env=environment)
    assert [line.split(",")[1] for line in result.stdout.splitlines()] == expected
