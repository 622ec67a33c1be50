"""Tables without lines, in colour on a terminal and plain elsewhere, never wider than the place they go to."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["PLAIN_WIDTH", "Column", "printable", "render_fields", "render_table"]

PLAIN_WIDTH = 80  # characters, where there is no terminal to ask
_GAP = 2  # spaces between columns
_SHORTEST_TEXT = 10  # characters that a text keeps, however narrow the place
_LONGEST_CELL = 2_000  # characters; layout of a megabyte of text in a cell would take seconds


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ids and names are never cut (`is_whole`), long texts are, with an ellipsis."""

    heading: str
    align: Literal["left", "right"] = "left"
    is_whole: bool = False


def printable(value: object) -> str:
    """One line of text without control characters: what a cell may hold, whatever the data hold."""
    if value is None:
        return ""
    text = str(value)[:_LONGEST_CELL]
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def render_table(
    columns: Sequence[Column], rows: Iterable[Sequence[object]], *, is_terminal: bool, width: int | None = None
) -> str:
    """The table with its headings, lines ended by a newline; `width` in characters, None asks the terminal.

    Texts are cut to fit. A table whose uncut columns alone are wider is printed wider.
    """
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    cells = [[printable(value) for value in row] for row in rows]
    natural = [
        max([cell_len(column.heading), *(cell_len(row[idx]) for row in cells)]) for idx, column in enumerate(columns)
    ]
    room = (_width(is_terminal) if width is None else width) - _GAP * (len(columns) - 1)
    widths = _fit(natural, is_whole=[column.is_whole for column in columns], room=room)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column, column_width in zip(columns, widths, strict=True):
        table.add_column(
            Text(column.heading), justify=column.align, width=column_width, no_wrap=True, overflow="ellipsis"
        )
    for row in cells:
        table.add_row(*map(Text, row))
    return _render(table, is_terminal=is_terminal, width=sum(widths) + _GAP * len(columns))


def _fit(natural: Sequence[int], *, is_whole: Sequence[bool], room: int) -> list[int]:
    """Widths of the columns: the widest texts give way first, none below `_SHORTEST_TEXT`."""
    widths = list(natural)
    texts = [idx for idx, whole in enumerate(is_whole) if not whole and natural[idx] > _SHORTEST_TEXT]
    while texts and sum(widths) > room:
        widest = max(texts, key=lambda idx: widths[idx])
        others = max((widths[idx] for idx in texts if widths[idx] < widths[widest]), default=_SHORTEST_TEXT)
        excess = sum(widths) - room
        widths[widest] = max(_SHORTEST_TEXT, min(widths[widest] - 1, max(others, widths[widest] - excess)))
        texts = [idx for idx in texts if widths[idx] > _SHORTEST_TEXT]
    return widths


def render_fields(fields: Iterable[tuple[str, object]], *, is_terminal: bool) -> str:
    """One "name  value" line for each pair, values in one column and never cut."""
    pairs = [(name, printable(value)) for name, value in fields]
    longest = max((len(name) for name, _ in pairs), default=0)
    if not is_terminal:
        return "".join(f"{name.ljust(longest)}  {value}".rstrip() + "\n" for name, value in pairs)
    import click

    return "".join(click.style(name.ljust(longest), bold=True) + f"  {value}\n" for name, value in pairs)


def _width(is_terminal: bool) -> int:
    if is_terminal:
        try:
            return os.get_terminal_size(sys.stdout.fileno()).columns or PLAIN_WIDTH
        except (OSError, ValueError):
            return PLAIN_WIDTH
    return PLAIN_WIDTH


def _render(table: object, *, is_terminal: bool, width: int) -> str:
    from rich.console import Console

    page = io.StringIO()
    console = Console(
        file=page,
        width=width,
        force_terminal=is_terminal,
        no_color=not is_terminal or bool(os.environ.get("NO_COLOR")),
        color_system="auto" if is_terminal else None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    console.print(table)
    return "".join(line.rstrip() + "\n" for line in page.getvalue().splitlines())
