"""Several actors in one process, one at a time, in an order that a seed decides.

Each actor is a thread, because the code under test knows nothing of us; but only one of them runs, and it hands over
only inside a call to its store (or while it waits after a lost race). So a seed gives the same interleaving again.
"""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Actor", "Killed", "Schedule"]


class Killed(BaseException):
    """What an actor meets that is killed; nothing catches it but the schedule."""


@dataclass(slots=True, eq=False)
class Actor:
    """Who takes turns; threads that it starts take turns on its behalf, one at a time."""

    name: str
    work: Callable[[], None]
    turn: threading.Lock = field(default_factory=threading.Lock)
    speaking: threading.RLock = field(default_factory=threading.RLock)
    is_done: bool = False
    dies_at: int | None = None  # step of the schedule


class Schedule:
    """Decides whose turn it is."""

    def __init__(self, randomness: random.Random, *, max_steps: int = 5_000) -> None:
        self.randomness = randomness
        self.step_count = 0
        self.failures: list[str] = []
        self._restless = randomness.choice((0.2, 0.5, 0.9))  # how often somebody else goes on
        self._max_steps = max_steps
        self._actors: list[Actor] = []
        self._current: Actor | None = None
        self._over = threading.Lock()
        self._due: list[tuple[int, Callable[[], object]]] = []

    def add(self, actor: Actor) -> None:
        """An actor that takes part from the beginning."""
        self._actors.append(actor)

    def later(self, steps: int, effect: Callable[[], object]) -> None:
        """Something that happens by itself some steps from now."""
        self._due.append((self.step_count + steps, effect))

    def now_microseconds(self) -> int:
        """Simulated time: a second a step."""
        return 1_700_000_000_000_000 + self.step_count * 1_000_000

    def run(self) -> None:
        """Let the actors go on until all are done, then let the rest happen."""
        self._over.acquire()
        threads = []
        for actor in self._actors:
            actor.turn.acquire()
            threads.append(threading.Thread(target=self._act, args=(actor,), name=actor.name))
        for thread in threads:
            thread.start()
        self._hand_over(None)
        self._over.acquire()
        for thread in threads:
            thread.join()
        for _, effect in self._due:
            effect()
        self._due.clear()

    def step(self, actor: Actor) -> None:
        """A moment in which others may go on; called in the actor's turn."""
        with actor.speaking:
            self.step_count += 1
            if self._due:
                self._happen()
            if actor.dies_at is not None and self.step_count >= actor.dies_at:
                raise Killed
            if self.step_count > self._max_steps:
                raise RuntimeError(f"no end after {self._max_steps} steps")
            if self.randomness.random() < self._restless:
                self._hand_over(actor)

    def _happen(self) -> None:
        due = [effect for moment, effect in self._due if moment <= self.step_count]
        self._due = [item for item in self._due if item[0] > self.step_count]
        for effect in due:
            effect()

    def _hand_over(self, actor: Actor | None) -> None:
        waiting = [item for item in self._actors if not item.is_done]
        if not waiting:
            self._over.release()
            return
        following = waiting[self.randomness.randrange(len(waiting))]
        self._current = following
        if following is not actor:
            following.turn.release()
            if actor is not None and not actor.is_done:
                actor.turn.acquire()

    def _act(self, actor: Actor) -> None:
        actor.turn.acquire()
        try:
            actor.work()
        except Killed:
            pass
        except BaseException:  # noqa: BLE001 - told to the proof, which counts it
            self.failures.append(f"{actor.name} failed:\n{traceback.format_exc()}")
        actor.is_done = True
        self._hand_over(actor)
