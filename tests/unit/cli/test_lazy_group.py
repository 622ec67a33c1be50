"""Commands are found by name and imported late."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from headrace.cli.lazy_group import LazyCommand, LazyGroup
from headrace.cli.main import COMMANDS, cli


def test_unknown_command_names_the_nearest() -> None:
    result = CliRunner().invoke(cli, ["comit"])
    assert result.exit_code == 2
    assert "no such command 'headrace comit'. Did you mean 'commit'?" in result.stderr
    assert result.stdout == ""


def test_unknown_nested_command_names_the_nearest() -> None:
    result = CliRunner().invoke(cli, ["dataset", "creat"])
    assert result.exit_code == 2
    assert "'headrace dataset creat'. Did you mean 'create'?" in result.stderr


def test_command_far_from_all_others_gets_no_suggestion() -> None:
    result = CliRunner().invoke(cli, ["zzzzzz"])
    assert result.exit_code == 2
    assert "Did you mean" not in result.stderr


def test_unknown_option_names_the_nearest() -> None:
    result = CliRunner().invoke(cli, ["snapshot", "lake::a", "--alais", "x"])
    assert result.exit_code == 2
    assert "'--alias'" in result.stderr


def test_target_that_is_no_command_is_refused() -> None:
    with pytest.raises(TypeError, match="not a click command"):
        LazyCommand("headrace.cli.main:COMMANDS", "Broken.").load()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_summary_equals_the_commands_own_short_help(name: str) -> None:
    command = COMMANDS[name].load()
    assert command.get_short_help_str(limit=200) == COMMANDS[name].summary
    if isinstance(command, LazyGroup):
        for lazy in command.lazy_commands.values():
            assert lazy.load().get_short_help_str(limit=200) == lazy.summary


def test_group_without_a_command_shows_its_help() -> None:
    result = CliRunner().invoke(cli, ["dataset"])
    assert result.exit_code == 0
    assert "create" in result.stdout


def test_list_holds_plain_commands_too() -> None:
    group = LazyGroup("g", lazy_commands={"demo": COMMANDS["demo"]}, help_text="Help.")
    group.add_command(click.Command("other"))
    context = click.Context(group)
    assert group.list_commands(context) == ["demo", "other"]
    assert group.get_command(context, "missing") is None
