"""A click group that imports a command only when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click

__all__ = ["LazyCommand", "LazyGroup"]


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command lives, and what a list of commands says of it without importing it."""

    target: str  # "module:attribute"
    summary: str  # equal to the command's own short help; a test compares them
    section: str = "Commands"  # heading in the group's help

    def load(self) -> click.Command:
        """Import the command."""
        module_name, _, attribute = self.target.partition(":")
        command = getattr(import_module(module_name), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is a {type(command).__name__}, not a click command")
        return command


class LazyGroup(click.Group):
    """Lists its commands from a mapping and answers a misspelt one with the nearest."""

    def __init__(self, name: str | None = None, *, lazy_commands: Mapping[str, LazyCommand], help_text: str) -> None:
        super().__init__(name, help=help_text, no_args_is_help=False, invoke_without_command=True, callback=_show_help)
        self.lazy_commands = dict(lazy_commands)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.lazy_commands, *self.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        loaded = super().get_command(ctx, cmd_name)
        if loaded is not None or cmd_name not in self.lazy_commands:
            return loaded
        command = self.lazy_commands[cmd_name].load()
        self.add_command(command, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if ctx.resilient_parsing or word.startswith("-") or word in self.list_commands(ctx):
            return super().resolve_command(ctx, args)
        from headrace.schema.near_misses import near_miss  # only for a command that does not exist

        guess = near_miss(word, self.list_commands(ctx), limit=3)
        raise click.UsageError(f"no such command {ctx.command_path + ' ' + word!r}.{guess}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, lazy in self.lazy_commands.items():  # the order written down, which is the order of use
            sections.setdefault(lazy.section, []).append((name, lazy.summary))
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


@click.pass_context
def _show_help(ctx: click.Context) -> None:
    """A group called without a command shows its help, and that is no error."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
