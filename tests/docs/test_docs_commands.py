"""Every `$ headrace …` line of the README and the docs is a command with options that exist; the tutorial's run."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from headrace.cli.main import cli
from tests.docs.test_docs_blocks import PAGES, ROOT, python_blocks, script

TUTORIAL = ROOT / "docs" / "tutorial" / "first-lake.md"


def _commands(page: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and words after `headrace` of each command."""
    for line, text in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if text.startswith("$ headrace "):
            yield line, shlex.split(text, comments=True)[2:]


LINES = [
    pytest.param(words, id=f"{page.relative_to(ROOT)}:{line}") for page in PAGES for line, words in _commands(page)
]


@pytest.mark.parametrize("words", LINES)
def test_command_in_docs_exists_with_its_options(words: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="headrace")
    rest = list(words)
    while isinstance(command, click.Group):
        name = rest.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name!r}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    # Values are not looked at: the files and lakes of an example need not be there.
    values, operands, _ = command.make_parser(context).parse_args(rest)
    assert operands == []
    missing = [
        parameter.name for parameter in command.params if parameter.required and values.get(str(parameter.name)) is None
    ]
    assert missing == []


def test_commands_of_the_tutorial_run(tmp_path: Path) -> None:
    """In the folder that its Python blocks leave behind."""
    program = tmp_path / "tutorial.py"
    commands = [words for _, words in _commands(TUTORIAL)]
    calls = f"""
import sys
from headrace.cli.main import main
for words in {commands!r}:
    sys.argv = ["headrace", *words]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (words, end.code)
"""
    program.write_text(script(python_blocks(TUTORIAL.read_text(encoding="utf-8"))) + calls, encoding="utf-8")
    folder = tmp_path / "work"
    folder.mkdir()
    run = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    assert len(commands) > 10
    assert "problems     0" in run.stdout
