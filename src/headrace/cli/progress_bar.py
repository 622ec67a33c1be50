"""Progress on stderr: a bar on a terminal, else one plain line about every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from headrace.progress import Progress
from headrace.units import format_bytes, format_count, format_duration

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

__all__ = ["LineProgress", "TerminalProgress", "open_progress", "progress_text"]

SECONDS_BETWEEN_LINES = 10.0


def open_progress(stderr: TextIO) -> Progress:
    """The form that suits where stderr goes."""
    return TerminalProgress(stderr) if stderr.isatty() else LineProgress(stderr)


def progress_text(
    *, num_rows: int, num_bytes: int, total_rows: int | None, total_bytes: int | None, seconds: float
) -> str:
    """Count, share, bytes, rate and time left, as far as they are known.

    The share and the time left follow the rows if their total is known, else the bytes.
    """
    share: float | None = None
    if total_rows:
        share = min(num_rows / total_rows, 1.0)
        parts = [f"{format_count(num_rows)} of {format_count(total_rows)} rows ({share:.0%})"]
    else:
        parts = [f"{format_count(num_rows)} rows"] if num_rows or not num_bytes else []
    if total_bytes and share is None:
        share = min(num_bytes / total_bytes, 1.0)
        parts.append(f"{format_bytes(num_bytes)} of {format_bytes(total_bytes)} ({share:.0%})")
    elif num_bytes:
        parts.append(format_bytes(num_bytes))
    if seconds > 0 and num_rows:
        parts.append(f"{format_count(round(num_rows / seconds))} rows/s")
    if seconds > 0 and num_bytes:
        parts.append(f"{format_bytes(round(num_bytes / seconds))}/s")
    if share and share < 1:
        parts.append(f"{format_duration(seconds / share - seconds)} left")
    return ", ".join(parts)


class _Counted:
    """What both forms count; not safe for use from several threads at once, as the protocol says."""

    def __init__(self, stderr: TextIO, *, clock: Callable[[], float]) -> None:
        self._stderr = stderr
        self._clock = clock
        self._stage: str | None = None
        self._rows = 0
        self._bytes = 0
        self._total_rows: int | None = None
        self._total_bytes: int | None = None
        self._started = 0.0

    def _begin(self, stage: str, total_rows: int | None, total_bytes: int | None) -> None:
        self._stage = stage
        self._rows = self._bytes = 0
        self._total_rows, self._total_bytes = total_rows, total_bytes
        self._started = self._clock()

    def _text(self) -> str:
        return progress_text(
            num_rows=self._rows,
            num_bytes=self._bytes,
            total_rows=self._total_rows,
            total_bytes=self._total_bytes,
            seconds=self._clock() - self._started,
        )


class LineProgress(_Counted):
    """A plain line about every ten seconds, nothing for work that is shorter."""

    def __init__(self, stderr: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stderr, clock=clock)
        self._last_line = clock()

    def start(self, stage: str, *, total_rows: int | None = None, total_bytes: int | None = None) -> None:
        self._begin(stage, total_rows, total_bytes)
        self._say_if_due()

    def advance(self, rows: int = 0, bytes: int = 0) -> None:  # noqa: A002 - the protocol's word
        self._rows += rows
        self._bytes += bytes
        self._say_if_due()

    def finish(self) -> None:
        self._stage = None

    def _say_if_due(self) -> None:
        now = self._clock()
        if self._stage is None or now - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        self._stderr.write(f"{self._stage}: {self._text()}\n")
        self._stderr.flush()


class TerminalProgress(_Counted):
    """A bar that disappears when the work is done."""

    def __init__(self, stderr: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stderr, clock=clock)
        self._bar: RichProgress | None = None
        self._task: Task | None = None

    def start(self, stage: str, *, total_rows: int | None = None, total_bytes: int | None = None) -> None:
        self._begin(stage, total_rows, total_bytes)
        if self._bar is None:
            self._bar = self._open_bar()
        if self._task is not None:
            self._bar.remove_task(self._task.id)
        task_id = self._bar.add_task(stage, total=total_rows or total_bytes or None)
        self._task = next(task for task in self._bar.tasks if task.id == task_id)

    def advance(self, rows: int = 0, bytes: int = 0) -> None:  # noqa: A002 - the protocol's word
        self._rows += rows
        self._bytes += bytes
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task.id, completed=self._bytes if self._counts_bytes() else self._rows)

    def finish(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = self._stage = None

    def _counts_bytes(self) -> bool:
        return not self._total_rows and bool(self._total_bytes)

    def _open_bar(self) -> RichProgress:
        from rich.console import Console
        from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column
        from rich.text import Text

        counted = self

        class Figures(ProgressColumn):
            """Count, bytes, rate and time left of the stage under way."""

            def render(self, task: Task) -> Text:
                return Text(counted._text(), no_wrap=True, overflow="ellipsis")

        columns: list[ProgressColumn] = [
            SpinnerColumn(),
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", max_width=28),
            ),
            BarColumn(bar_width=16),
            Figures(),
        ]
        bar = RichProgress(
            *columns,
            console=Console(file=self._stderr, markup=False, emoji=False),
            transient=True,
            refresh_per_second=8,
        )
        bar.start()
        return bar
