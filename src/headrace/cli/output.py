"""Where a command's results go: data on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

import click

from headrace.cli.json_values import to_json_value
from headrace.cli.program import command_line
from headrace.cli.tables import Column, render_fields, render_table
from headrace.progress import Progress

__all__ = ["Output", "write_stdout"]


def write_stdout(text: str) -> None:
    """Write data. A reader that has left (`… | head`) is no error: the rest is dropped quietly."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit and would complain there.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Output:
    """One command's output. With `is_json` exactly one document goes to stdout, and no hints are given."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json

    @property
    def stderr(self) -> TextIO:
        return sys.stderr

    @property
    def is_terminal(self) -> bool:
        return sys.stdout.isatty()

    def document(self, value: object) -> None:
        """The one JSON document."""
        write_stdout(json.dumps(to_json_value(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n")

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> None:
        """A table on stdout, its headings also when there are no rows."""
        write_stdout(render_table(columns, rows, is_terminal=self.is_terminal))

    def fields(self, fields: Iterable[tuple[str, object]]) -> None:
        """Names and values, one pair a line; pairs whose value is None are left out."""
        write_stdout(render_fields([pair for pair in fields if pair[1] is not None], is_terminal=self.is_terminal))

    def line(self, text: str = "") -> None:
        """One line of data."""
        write_stdout(text + "\n")

    def note(self, text: str) -> None:
        """Narration, on stderr."""
        click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """Something that the caller should look at although the command goes on."""
        click.echo(click.style("warning: ", fg="yellow") + text, err=True)

    def next(self, *words: str) -> None:
        """What to do next: a command of this program that works as printed."""
        self.hint(command_line(*words))

    def hint(self, line: str) -> None:
        """What to do next, as a line for a shell; not with `--json`."""
        if not self.is_json:
            click.echo(click.style("Next: ", bold=True) + line, err=True)

    @contextlib.contextmanager
    def progress(self) -> Iterator[Progress]:
        """Progress of the work in the block, on stderr; finished also after an error."""
        from headrace.cli.progress_bar import open_progress

        progress = open_progress(self.stderr)
        try:
            yield progress
        finally:
            progress.finish()
