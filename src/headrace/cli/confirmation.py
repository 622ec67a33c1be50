"""`--dry-run` and `--yes`: what commands that take something away have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["confirm", "confirmed_options"]

Function = TypeVar("Function", bound=Callable[..., Any])


def confirmed_options(function: Function) -> Function:
    """`--dry-run` and `--yes`."""
    function = click.option("--yes", "is_confirmed", is_flag=True, help="Do it without asking.")(function)
    return click.option("--dry-run", is_flag=True, help="Only say what would happen.")(function)


def confirm(question: str, *, is_confirmed: bool, is_final: bool = False) -> None:
    """Go on only if the user wants it: with `--yes`, or with a yes at the terminal.

    Without a terminal nobody is asked: what can be undone is done, what is final (`is_final`) is refused.

    Raises:
        click.UsageError: It is final, and there is neither `--yes` nor a terminal.
        click.ClickException: The answer is no.
    """
    if is_confirmed:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        if not click.confirm(question, err=True):
            raise click.ClickException("not confirmed; nothing was changed")
    elif is_final:
        raise click.UsageError(
            "this cannot be undone, and there is no terminal to ask at: look with --dry-run first, then give --yes"
        )
