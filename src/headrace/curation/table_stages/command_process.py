"""A program in a process group of its own: ended by a time limit or Ctrl-C with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.errors import HeadraceError, NotFound

__all__ = ["run_process"]

_TAIL_BYTES = 4_000
_GRACE_SECONDS = 5.0


def run_process(
    arguments: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    said: Path,
    timeout_seconds: float | None,
) -> None:
    """Run it to its end in `folder`; what it prints goes to the file `said`.

    Raises:
        NotFound: There is no such program.
        HeadraceError: It failed or took too long; with its exit code and the end of what it printed.
    """
    with said.open("wb") as sink:
        try:
            process = subprocess.Popen(
                list(arguments),
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
            raise NotFound(f"command: cannot start {arguments[0]!r} in {str(folder)!r}: {error.strerror}") from error
        try:
            code = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            _end_group(process)
            raise HeadraceError(
                f"command: {arguments[0]} took more than {timeout_seconds:g} s and was ended{_tail(said)}"
            ) from error
        finally:
            _end_group(process)  # also what a program left behind, which could still write into its output
    if code != 0:
        reason = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise HeadraceError(f"command: {' '.join(arguments)} ended with {reason}{_tail(said)}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break  # nobody is left
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _tail(said: Path) -> str:
    data = said.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
    return f"; it printed at the end:\n{data}" if data else "; it printed nothing"
