"""Every command, option from the environment, setting, error, dataset type and export format is in docs/reference."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from headrace import errors
from headrace.cli.main import cli
from tools.generate_reference import walk_commands

ROOT = Path(__file__).parents[2]
REFERENCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "reference").glob("*.md")))
COMMANDS = {path: command for path, command, _ in walk_commands(cli, context=click.Context(cli, info_name="headrace"))}
SETTING = re.compile(r"\bHEADRACE_[A-Z][A-Z0-9_]*\b")


def _is_named(word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", REFERENCE) is not None


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_command_is_documented(path: str) -> None:
    assert f"\n## {path}\n" in REFERENCE
    assert COMMANDS[path].help, f"{path} has no help"


@pytest.mark.parametrize("path", sorted(COMMANDS))
def test_command_options_and_their_variables_are_documented(path: str) -> None:
    section = REFERENCE.partition(f"\n## {path}\n")[2].partition("\n## ")[0]
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{path} {parameter.opts[0]} has no help"
            assert [word for word in parameter.opts if word not in section] == []
        variables = [parameter.envvar] if isinstance(parameter.envvar, str) else list(parameter.envvar or ())
        assert [name for name in variables if not _is_named(name)] == []


def test_every_environment_variable_is_documented() -> None:
    used = {
        name
        for path in sorted((ROOT / "src").rglob("*.py"))
        for name in SETTING.findall(path.read_text(encoding="utf-8"))
    }
    assert {name for name in used if not _is_named(name)} == set()


def test_documented_environment_variables_exist() -> None:
    """In the package, or in the tools that start services for the tests."""
    files = [path for folder in ("src", "tools") for path in sorted((ROOT / folder).rglob("*.py"))]
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    pages = "\n".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    assert {name for name in SETTING.findall(pages) if name not in source} == set()


@pytest.mark.parametrize("name", sorted(errors.__all__))
def test_error_is_documented_with_its_code(name: str) -> None:
    error = getattr(errors, name)
    assert _is_named(name)
    assert f"`{error.code}`" in REFERENCE


@pytest.mark.parametrize("group", ["headrace.dataset_types", "headrace.exports"])
def test_every_entry_point_is_documented(group: str) -> None:
    names = {e.name for e in entry_points(group=group) if e.dist is not None and e.dist.name == "headrace"}
    assert names, f"nothing registered under {group}: is the project installed?"
    assert {name for name in names if not _is_named(name)} == set()
