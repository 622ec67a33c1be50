"""Options that the commands of `headrace stream` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from headrace.cli.targets import open_snapshot
from headrace.schema.references import Reference

if TYPE_CHECKING:
    from headrace.streaming import StreamingDataset

__all__ = ["open_stream", "stream_options"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = [
    click.option(
        "--batch-size", type=click.IntRange(1, 1_000_000), default=64, show_default=True, help="Samples of a batch."
    ),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of the shuffle."),
    click.option("--epoch", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Counted from 0."),
    click.option(
        "--mode",
        type=click.Choice(["auto", "global", "block", "none"]),
        default="auto",
        show_default=True,
        help="How samples are ordered; none keeps the snapshot's order.",
    ),
    click.option("--column", "columns", multiple=True, metavar="NAME", help="Only this column; may be repeated."),
    click.option("--where", metavar="SQL", help="Only rows for which this expression over the columns is true."),
]


def stream_options(function: F) -> F:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def open_stream(
    ref: Reference, *, seed: int, mode: str, columns: Sequence[str], where: str | None, transforms: Sequence[Any] = ()
) -> StreamingDataset:
    """The streaming dataset that the options describe."""
    from headrace.streaming import ShuffleOptions, StreamingDataset

    shuffle = None if mode == "none" else ShuffleOptions(seed=seed, mode=cast(Any, mode))
    return StreamingDataset(
        open_snapshot(ref), columns=columns or None, where=where, shuffle=shuffle, transforms=transforms
    )
