"""The `headrace` program: its commands, and what becomes of an error."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import click

from headrace.cli.failures import INTERRUPTED, Failure, describe_failure
from headrace.cli.lazy_group import LazyCommand, LazyGroup
from headrace.cli.output import write_stdout

__all__ = ["COMMANDS", "DEBUG_VARIABLE", "cli", "main"]

DEBUG_VARIABLE = "HEADRACE_DEBUG"
PROGRAM = "headrace"

_BASICS = "Datasets"
_TRAINING = "From datasets to training data"
_CURATION = "From raw data to datasets"
_LOOKING = "Looking and comparing"
_REMOVING = "Removing and bringing back"
_TRUST = "Trust"
_HELP = "This program"

COMMANDS = {
    "demo": LazyCommand(
        "headrace.cli.commands.demo:demo", "Run the main job end to end on handwritten digits, without network.", _HELP
    ),
    "completion": LazyCommand(
        "headrace.cli.commands.completion:completion", "Print the script that completes commands in your shell.", _HELP
    ),
    "dataset": LazyCommand(
        "headrace.cli.commands.dataset:dataset", "Create, list, look at, delete and restore datasets.", _BASICS
    ),
    "commit": LazyCommand("headrace.cli.commands.commit:commit", "Add rows from a source to a dataset.", _BASICS),
    "serve": LazyCommand(
        "headrace.cli.commands.serve:serve", "Serve a lake over gRPC and HTTP until it is told to end.", _BASICS
    ),
    "columns": LazyCommand(
        "headrace.cli.commands.columns:columns", "Give rows further columns without rewriting them.", _BASICS
    ),
    "commit-delete": LazyCommand(
        "headrace.cli.commands.commit_delete:commit_delete", "Hide a commit from new snapshots.", _REMOVING
    ),
    "commit-restore": LazyCommand(
        "headrace.cli.commands.commit_restore:commit_restore",
        "Show a deleted commit again, with the same digest.",
        _REMOVING,
    ),
    "rows": LazyCommand(
        "headrace.cli.commands.rows:rows", "Delete single rows, bring them back, or erase them.", _REMOVING
    ),
    "gc": LazyCommand("headrace.cli.commands.gc:gc", "Remove objects that no log refers to.", _REMOVING),
    "snapshot": LazyCommand(
        "headrace.cli.commands.snapshot:snapshot", "Choose commits, rows and columns, and fix the choice.", _TRAINING
    ),
    "split": LazyCommand(
        "headrace.cli.commands.split:split", "Divide a snapshot, the same way on any machine.", _TRAINING
    ),
    "materialise": LazyCommand(
        "headrace.cli.commands.materialise:materialise", "Write a snapshot as its type's training files.", _TRAINING
    ),
    "pack": LazyCommand(
        "headrace.cli.commands.pack:pack", "Lay a snapshot's rows out contiguously, for streaming.", _TRAINING
    ),
    "stream": LazyCommand(
        "headrace.cli.commands.stream:stream", "Look at snapshots the way a training loop reads them.", _TRAINING
    ),
    "init": LazyCommand(
        "headrace.cli.commands.init:init",
        "Start a project: a recipe, and a small lake of data that it works on.",
        _CURATION,
    ),
    "recipe": LazyCommand(
        "headrace.cli.commands.recipe:recipe", "Check, run and explain recipes, and look at their runs.", _CURATION
    ),
    "export": LazyCommand("headrace.cli.commands.export:export", "Write a snapshot in another format.", _TRAINING),
    "operators": LazyCommand(
        "headrace.cli.commands.operators:operators", "Look at the operators that recipes are made of.", _CURATION
    ),
    "sample": LazyCommand("headrace.cli.commands.sample:sample", "Show some rows.", _LOOKING),
    "query": LazyCommand("headrace.cli.commands.query:query", "Run SQL over the rows of a snapshot.", _LOOKING),
    "diff": LazyCommand("headrace.cli.commands.diff:diff", "Count the rows that differ between snapshots.", _LOOKING),
    "lineage": LazyCommand(
        "headrace.cli.commands.lineage:lineage", "Show where a snapshot or a sample came from.", _TRUST
    ),
    "run": LazyCommand("headrace.cli.commands.run:run", "Look at recorded training runs.", _TRUST),
    "verify": LazyCommand("headrace.cli.commands.verify:verify", "Check every stored byte against its digest.", _TRUST),
    "rebuild": LazyCommand(
        "headrace.cli.commands.rebuild:rebuild", "Make anew from the logs what was derived from them.", _TRUST
    ),
    "audit": LazyCommand("headrace.cli.commands.audit:audit", "List who changed what, and when.", _TRUST),
    "doctor": LazyCommand(
        "headrace.cli.commands.doctor:doctor", "Check that a place can hold a lake, or this machine.", _TRUST
    ),
}


class RootGroup(LazyGroup):
    """The group that ends the process: each error becomes one message and an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        words = sys.argv[1:] if args is None else list(args)
        if not standalone_mode:
            return super().main(words, prog_name, complete_var, standalone_mode=False, **extra)
        with _noted_interrupts() as interrupts:
            try:
                result = super().main(words, PROGRAM, complete_var, standalone_mode=False, **extra)
                exit_code = result if isinstance(result, int) else 0
            except Exception as error:  # noqa: BLE001 - the last place where an error can become one line
                # An interrupted library call may surface as an error of its own.
                failure = INTERRUPTED if interrupts else describe_failure(error)
                _report(failure, words)
                exit_code = failure.exit_code
        sys.exit(exit_code)


def _report(failure: Failure, words: Sequence[str]) -> None:
    """The message on stderr; with `--json` the error document on stdout too, so that there is always one."""
    options = words[: words.index("--")] if "--" in words else words
    if "--debug" in options or os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0"):
        import traceback

        click.echo(traceback.format_exc(), err=True)
    if "--json" in options:
        error: dict[str, object] = {"code": failure.code, "message": failure.message}
        if failure.problems:
            error["problems"] = list(failure.problems)
        write_stdout(json.dumps({"error": error}, ensure_ascii=False, indent=2) + "\n")
    click.echo(click.style("error: ", fg="red", bold=True) + failure.message, err=True)


@contextlib.contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """A list that is not empty once Ctrl-C was pressed; the interrupt itself goes on as ever."""
    interrupts: list[int] = []

    def note(signal_number: int, frame: FrameType | None) -> None:
        interrupts.append(signal_number)
        raise KeyboardInterrupt

    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if is_ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield interrupts
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _print_version(ctx: click.Context, param: click.Parameter, is_wanted: bool) -> None:
    if is_wanted and not ctx.resilient_parsing:
        from headrace import __version__

        write_stdout(f"{PROGRAM} {__version__}\n")
        ctx.exit()


cli = RootGroup(
    PROGRAM,
    lazy_commands=COMMANDS,
    help_text="""Data layer for training: typed commits, snapshots by content, and where each sample came from.

    A reference REF is LAKE::DATASET, then nothing (all commits), @alias, @id:HEX, @upto:N or
    @{2026-11-01T00:00:00Z}. LAKE is a folder, s3://…, gs://… or az://…; HEADRACE_LAKE supplies it where only
    DATASET… is given. Every command takes --json (one document on stdout, also for an error) and --debug.

    Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 gate failed, 7 trying again is safe,
    130 interrupted.
    """,
)
cli.params.append(
    click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_version,
        help="Show the version.",
    )
)


def main() -> None:
    """Entry point of the `headrace` script."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a stream that was replaced
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # TextIO in the stubs
    cli()
