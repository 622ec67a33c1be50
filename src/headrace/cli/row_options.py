"""`--where` and `--key`: which rows of a dataset a command means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

__all__ = ["row_options", "row_words"]

Function = TypeVar("Function", bound=Callable[..., Any])


def row_options(function: Function) -> Function:
    """`--where SQL`, or `--key KEY` any number of times."""
    function = click.option(
        "--key", "keys", metavar="KEY", multiple=True, help="The row with this key or `_id`; may be repeated."
    )(function)
    return click.option("--where", metavar="SQL", help="Rows for which this is true, e.g. \"label = 'oos'\".")(function)


def row_words(*, where: str | None, keys: Sequence[str]) -> list[str]:
    """The options as they were given, for the next command."""
    words = [] if where is None else ["--where", where]
    return [*words, *(word for key in keys for word in ("--key", key))]
