"""Every error that Headrace raises on purpose.

    HeadraceError
    ├── NotFound            lake, dataset, commit, snapshot, alias, sample or source does not exist
    ├── AlreadyExists       a name that must be unique is taken
    ├── Conflict            the state moved on, or a store cannot keep the promise that a write needs
    ├── InvalidInput        what was handed in is wrong; says file, line and column where there are any
    ├── Unavailable         a store or server did not answer; trying again is safe
    ├── GateFailed          a check of a recipe found what it must not; says what it found
    ├── DataCorrupted       stored bytes are not the bytes that were written; names the object
    └── PermissionDenied    credentials or policy refuse it

Each class can be rebuilt from its message alone, because errors cross process borders.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AlreadyExists",
    "Conflict",
    "DataCorrupted",
    "GateFailed",
    "HeadraceError",
    "InvalidInput",
    "MissingExtra",
    "NotFound",
    "PermissionDenied",
    "Unavailable",
]


class HeadraceError(Exception):
    """Base of all errors of Headrace; `code` is stable and safe to match on."""

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    @property
    def message(self) -> str:
        """The text without the class name."""
        return str(self)


class NotFound(HeadraceError, LookupError):
    """The named thing does not exist; the message names near misses or the command that creates it."""

    code = "not-found"
    exit_code = 3


class AlreadyExists(HeadraceError):
    """A name that must be unique is taken."""

    code = "already-exists"
    exit_code = 5


class Conflict(HeadraceError):
    """Another writer was first in a way that cannot be repaired here, or a store cannot claim safely."""

    code = "conflict"
    exit_code = 5


class InvalidInput(HeadraceError, ValueError):
    """What was handed in is wrong. `file`, `line` (1-based) and `column` say where, if known."""

    code = "invalid-input"
    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: str | int | None = None,
    ) -> None:
        place = "" if file is None else file
        if line is not None:
            place += f":{line}" if place else f"line {line}"
        if isinstance(column, int) and line is not None:
            place += f":{column}"
        elif column is not None:
            place += f" [column {column}]" if place else f"column {column}"
        super().__init__(f"{place}: {message}" if place else message)
        self.file = file
        self.line = line
        self.column = column


class MissingExtra(InvalidInput):
    """An optional dependency is not installed; the message holds the one line that installs it."""

    code = "missing-extra"


class Unavailable(HeadraceError):
    """A store or server did not answer in time, or its outcome is unknown; trying again is safe."""

    code = "unavailable"
    exit_code = 7


class GateFailed(HeadraceError):
    """A check stage of a recipe does not hold, so the run stops; the message says what was found, with some rows."""

    code = "gate-failed"
    exit_code = 6


class DataCorrupted(HeadraceError):
    """Stored bytes differ from what was written; the message names the object."""

    code = "data-corrupted"


class PermissionDenied(HeadraceError):
    """Credentials or policy refuse the operation."""

    code = "permission-denied"
    exit_code = 4
