"""Processes that end with this one: stopped in reverse order, and killed by the kernel should we die first."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["DaemonDied", "Daemons"]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class DaemonDied(RuntimeError):
    """A daemon ended by itself; the message holds the end of its log."""


class Daemons:
    """Starts programs in the foreground of a session of their own, so that Ctrl-C reaches us and not them.

    Start them from the main thread: the kernel's signal follows the thread that started a process.
    """

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, words: Sequence[str]) -> None:
        """Start a program; its output goes to `NAME.out` in the log folder."""
        libc = ctypes.CDLL(None)  # loaded here, because after the fork only async-signal-safe calls are allowed

        def end_with_parent() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

        with (self._log_folder / f"{name}.out").open("wb") as output:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        self._running.append((name, process))

    @property
    def process_ids(self) -> dict[str, int]:
        """Process ids by name."""
        return {name: process.pid for name, process in self._running}

    def check(self) -> None:
        """Raise `DaemonDied` if one of them is gone."""
        for name, process in self._running:
            if process.poll() is not None:
                said = (self._log_folder / f"{name}.out").read_text(errors="replace").strip()[-2000:]
                raise DaemonDied(f"{name} ended with status {process.returncode}:\n{said}")

    def last_words(self) -> str:
        """The last lines of every log, for a message."""
        logs = sorted([*self._log_folder.glob("*.log"), *self._log_folder.glob("*.out")])
        ends = {path.name: path.read_text(errors="replace").strip().splitlines()[-3:] for path in logs}
        return "\n".join(f"{name}: {line[:400]}" for name, lines in ends.items() for line in lines)

    def stop(self, *, timeout_seconds: float = 10) -> None:
        """End all of them, the last one started first; one that does not listen is killed."""
        while self._running:
            _, process = self._running[-1]
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout_seconds)
                except subprocess.TimeoutExpired:
                    process.kill()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout_seconds)
            self._running.pop()
