"""The first call of each operator in a process has it for itself: what it loads and keeps is loaded once."""

from __future__ import annotations

import threading

__all__ = ["FirstCalls"]


class FirstCalls:
    """Knows which steps have come through once. Thread-safe."""

    def __init__(self, num_steps: int) -> None:
        self._locks = [threading.Lock() for _ in range(num_steps)]
        self._are_through = [False] * num_steps

    def lock(self, step_idx: int) -> threading.Lock | None:
        """To be held during a call of the step; None where any number of threads may call it."""
        return None if self._are_through[step_idx] else self._locks[step_idx]

    def came_through(self, step_idx: int) -> None:
        """A call has succeeded, so all that later ones need is loaded."""
        self._are_through[step_idx] = True
