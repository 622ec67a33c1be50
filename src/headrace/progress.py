"""The one interface through which long work says how far it is; nothing is printed here.

The library takes a `Progress` and reports to it; `headrace.cli` passes one that draws a bar.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["NO_PROGRESS", "NoProgress", "Progress"]


@runtime_checkable
class Progress(Protocol):
    """Told about the stages of one piece of work, in order; called from the thread that does the work.

    A stage ends with the next `start` or with `finish`. `finish` comes once, also after an error
    (call it in a `finally`), and a second call does nothing.
    """

    def start(self, stage: str, *, total_rows: int | None = None, total_bytes: int | None = None) -> None:
        """A stage begins, e.g. "reading part1.csv"; totals are None where they are not known."""
        ...

    def advance(self, rows: int = 0, bytes: int = 0) -> None:  # noqa: A002 - the unit is the name
        """So much *more* is done in the current stage; cheap enough to be called once per batch."""
        ...

    def finish(self) -> None:
        """No more stages follow."""
        ...


class NoProgress:
    """Says nothing: what the library uses when nobody asked."""

    __slots__ = ()

    def start(self, stage: str, *, total_rows: int | None = None, total_bytes: int | None = None) -> None:
        """Say nothing."""

    def advance(self, rows: int = 0, bytes: int = 0) -> None:  # noqa: A002 - the unit is the name
        """Say nothing."""

    def finish(self) -> None:
        """Say nothing."""

    def __repr__(self) -> str:
        return "NO_PROGRESS"


NO_PROGRESS: Progress = NoProgress()
