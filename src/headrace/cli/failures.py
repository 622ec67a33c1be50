"""What an exception means to the person at the terminal: one message, one exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import click

from headrace.errors import HeadraceError, PermissionDenied

__all__ = ["INTERRUPTED", "Failure", "describe_failure"]


@dataclass(frozen=True, slots=True)
class Failure:
    """`code` is stable and goes into the JSON document; `message` is for people; `problems` are for editors."""

    exit_code: int
    code: str
    message: str
    problems: tuple[Mapping[str, object], ...] = ()  # of a recipe: message, file, line and column of each


INTERRUPTED = Failure(
    exit_code=130,
    code="interrupted",
    message="interrupted; nothing half-written is visible: a change is in the log whole or not at all",
)


def describe_failure(error: BaseException) -> Failure:
    """Exit code and message of an exception that ended a command."""
    if isinstance(error, HeadraceError):
        problems = tuple(problem.to_json() for problem in getattr(error, "problems", ()))
        return Failure(error.exit_code, error.code, error.message or type(error).__name__, problems)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return Failure(2, "usage", error.format_message())
    if isinstance(error, click.UsageError):
        message = error.format_message()
        if error.ctx is not None:
            message += f"\nUsage and an example: {error.ctx.command_path} --help"
        return Failure(2, "usage", message)
    if isinstance(error, click.ClickException):
        return Failure(error.exit_code, "failed", error.format_message())
    if isinstance(error, (click.Abort, KeyboardInterrupt)):
        return INTERRUPTED
    if isinstance(error, PermissionError):
        return Failure(PermissionDenied.exit_code, PermissionDenied.code, str(error))
    if isinstance(error, OSError):
        return Failure(1, "failed", str(error) or type(error).__name__)
    if isinstance(error, MemoryError):
        return Failure(1, "failed", "out of memory")
    text = " ".join(str(error).split()) or "no message"
    return Failure(
        1, "unexpected", f"unexpected {type(error).__name__}: {text} (run it again with --debug to see where)"
    )
