"""A look from beside at work that nobody can interrupt."""

from __future__ import annotations

import logging
import threading
import time

from headrace.streaming.samples import Stage, describe_stage

__all__ = ["StallWatch"]

_SHORTEST_SLEEP_SECONDS = 0.05
_logger = logging.getLogger(__name__)


class StallWatch:
    """A thread that logs what is under way for too long, once for each batch. It starts with the first batch."""

    def __init__(self, *, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._under_way: tuple[int, Stage, float] | None = None  # number, stage, since when; swapped as a whole
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, number: int, stage: Stage) -> None:
        """The caller starts a batch."""
        self._under_way = (number, stage, time.monotonic())
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="headrace-stall-watch", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """The batch is there, or failed."""
        self._under_way = None

    def close(self) -> None:
        """End the thread, without waiting for it. Twice is no error."""
        self._is_closed.set()

    def _look(self) -> None:
        told = None
        sleep = self._stall_seconds
        while not self._is_closed.wait(min(max(sleep, _SHORTEST_SLEEP_SECONDS), threading.TIMEOUT_MAX)):
            seen = self._under_way
            sleep = self._stall_seconds
            if seen is None or seen is told:
                continue
            number, stage, since = seen
            sleep = since + self._stall_seconds - time.monotonic()
            if sleep > 0:
                continue
            told = seen
            sleep = self._stall_seconds
            _logger.warning(
                "no batch for %.0f s; under way: %s. stall_seconds sets when this is said; without workers "
                "timeout_seconds cannot end it, with num_workers=1 it can",
                time.monotonic() - since,
                describe_stage(number, stage),
            )
