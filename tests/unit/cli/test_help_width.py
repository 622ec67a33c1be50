"""Help fits a terminal of 80 columns, examples included."""

from __future__ import annotations

import click
import pytest

from headrace.cli.main import cli


def _commands(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """Path and help of a command and of all below it."""
    found = [(context.command_path, command.get_help(context))]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            found += _commands(child, click.Context(child, info_name=name, parent=context, terminal_width=80))
    return found


HELP = _commands(cli, click.Context(cli, info_name="headrace", terminal_width=80))


@pytest.mark.parametrize(("path", "text"), HELP, ids=[path for path, _ in HELP])
def test_help_fits_80_columns(path: str, text: str) -> None:
    assert [line for line in text.splitlines() if len(line) > 80] == []
