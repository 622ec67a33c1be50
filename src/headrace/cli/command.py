"""A command of this program: its example, `--json`, `--debug`, and the `Output` it writes to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import click

from headrace.cli.output import Output

__all__ = ["HeadraceCommand", "command"]


class HeadraceCommand(click.Command):
    """A click command whose function gets an `Output` first, and whose help ends with a working example."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:  # click's own signature is as open
        super().__init__(*args, **kwargs)
        self.example = example
        self.params += [
            click.Option(["--json", "is_json"], is_flag=True, help="Print one JSON document on stdout."),
            click.Option(["--debug"], is_flag=True, help="Show the traceback of an error, and log lines."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        if ctx.params.pop("debug"):
            logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
            logging.getLogger("headrace").setLevel(logging.DEBUG)
        ctx.obj = Output(is_json=ctx.params.pop("is_json"))
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Example"):
            formatter.write("".join(f"{' ' * formatter.current_indent}{line}\n" for line in self.example.splitlines()))


def command(name: str, *, example: str) -> Callable[[Callable[..., None]], HeadraceCommand]:
    """Make a command of a function; its docstring is the help, its first argument the `Output`."""

    def decorate(function: Callable[..., None]) -> HeadraceCommand:
        return click.command(name, cls=HeadraceCommand, example=example)(click.pass_obj(function))

    return decorate
