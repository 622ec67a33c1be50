"""Options of commands that look for something new again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["watch_options"]

Function = TypeVar("Function", bound=Callable[..., Any])


def watch_options(*, once: str, interval: str) -> Callable[[Function], Function]:
    """`--interval` and `--once` with these help texts."""

    def decorate(function: Function) -> Function:
        function = click.option("--once", is_flag=True, help=once)(function)
        return click.option(
            "--interval",
            metavar="SECONDS",
            type=click.FloatRange(min=0),
            default=10.0,
            show_default=True,
            help=interval,
        )(function)

    return decorate
