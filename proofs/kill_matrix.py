"""Kills a writer with SIGKILL at every named point of every operation, and looks at what it leaves.

One case is one operation with one seed: the points are found by a run that is not killed, then each of them is reached
by a new child on a copy of the same lake. Where a point is passed several times, the seed says at which time.

Many points leave the same files behind, but for random ids and times. Every writer is killed; what one of them left is
opened, judged and continued once for each different state. HEADRACE_PROOF_LAKE names a place where the lakes lie
instead, such as `s3://bucket/folder`; there only the calls to the store are points, and every state is judged.
"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from proofs.forking import Tell, in_child, on_one_core
from proofs.outcomes import CaseResult
from proofs.places import Place
from proofs.scratch import scratch_folder
from proofs.stepping import PointCounter
from proofs.story import (
    OPERATIONS,
    Operation,
    Scene,
    View,
    built_operations,
    check_lake,
    open_lake,
    operations_not_built,
    pictures_left,
    play,
)
from proofs.variants import SOUND, Variant

__all__ = ["cases", "check", "check_variant", "notes", "skip_reason"]

_QUICK_POINTS = 12
_QUICK_POINTS_OF_A_SERVICE = 7
_AFTER_ACK = "after acknowledgement"
_CHANGING_CALLS = ("disk.create", "disk.write", "disk.link", "disk.unlink", "disk.make_folder")
_STAGE, _LAKE = "stage", "lake"


def cases(*, is_full: bool) -> list[str]:
    """`operation/number`; the quick form takes a few points of each operation."""
    if not is_full:
        return [f"{operation.name}/quick" for operation in built_operations()]
    operations = built_operations()
    most = max(operation.num_seeds for operation in operations)
    # By seed first, so that the long operations are spread over the workers.
    return [f"{item.name}/{number}" for number in range(most) for item in operations if number < item.num_seeds]


def skip_reason() -> str | None:
    """None: it runs wherever there is SIGKILL."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Kill one operation at each of its points."""
    return check_variant(case, seed=seed, variant=SOUND)


def check_variant(case: str, *, seed: int, variant: Variant, only: str | None = None) -> CaseResult:
    """The same with another store; `only` is part of the names of the points to try."""
    name, _, number = case.partition("/")
    operation, scene = OPERATIONS[name], Scene(f"{seed} {case}")
    result = CaseResult(case)
    with scratch_folder() as folder, on_one_core():
        place = Place.below(folder)
        before, counts = _set_stage(place, operation, scene)
        after = operation.after(before, scene)
        # The first seed tries every point. Reading and syncing leave no trace that a killed process could show, and the
        # end of one call is on disk what the beginning of the next is, so the others leave out those points.
        points = [point for point in sorted(counts) if number in ("0", "quick") or _changes_disk(point)]
        points.append(_AFTER_ACK)
        randomness = random.Random(f"{seed} {case} points")
        if number == "quick":
            num_points = min(_QUICK_POINTS if place.is_local else _QUICK_POINTS_OF_A_SERVICE, len(points) - 1)
            points = [*randomness.sample(points[:-1], num_points), _AFTER_ACK]
        matrix = _Matrix(result, place, operation, scene, (before, after), variant, is_exact=number in ("0", "quick"))
        for point in points:
            if only is None or only in point:
                matrix.kill_at(point, passes=randomness.randrange(counts[point]) if point in counts else 0)
        matrix.close()
    result.count(f"points {name}", len(points) if number in ("0", "quick") else 0)
    result.count(f"deep {name}", len(points) if number == "1" else 0)
    return result


def _changes_disk(point: str) -> bool:
    when, call = point.split(" ")[:2]
    return when == "amid" or (when == "after" and call in _CHANGING_CALLS)


def _set_stage(place: Place, operation: Operation, scene: Scene) -> tuple[View, dict[str, int]]:
    """Prepare the lake, and find out on a copy which points the operation passes, and how often."""

    def work(tell: Tell) -> None:
        if place.is_local:
            Path(place.root, _STAGE).mkdir()
        view = play(open_lake(place.store(_STAGE)), operation.needs, scene, View())
        tell(view.to_json())
        place.copy(_STAGE, _LAKE)
        counter = PointCounter()
        operation.act(open_lake(place.stepped(_LAKE, counter)), scene, view)
        tell(json.dumps(counter.counts))
        place.remove(_LAKE)

    end = in_child(work)
    if end.failure:
        raise RuntimeError(f"{operation.name} fails without being killed: {end.failure}")
    return View.from_json(end.lines[0]), json.loads(end.lines[1])


class _Matrix:
    """One operation with one seed."""

    def __init__(
        self,
        result: CaseResult,
        place: Place,
        operation: Operation,
        scene: Scene,
        views: tuple[View, View],
        variant: Variant,
        *,
        is_exact: bool,  # whether states with more or less of a half-written file are different ones
    ) -> None:
        self._result = result
        self._place = place
        self._operation = operation
        self._scene = scene
        self._before, self._after = views
        self._variant = variant
        self._is_exact = is_exact
        self._judged: dict[tuple[str, bool], list[str]] = {}

    def close(self) -> None:
        """Remove what the kills started from."""
        self._on_place(lambda: self._place.remove(_STAGE))

    def kill_at(self, point: str, *, passes: int) -> None:
        """Kill a writer when it has passed a point some times and comes to it again, and look at what it left."""
        result = self._result
        self._on_place(lambda: self._place.copy(_STAGE, _LAKE))
        result.runs += 1
        end = in_child(lambda tell: self._write(tell, point, passes))
        if end.failure:
            result.violations.append(f"{point}: the writer failed: {end.failure}")
        elif not end.was_killed:
            # Threads share the work, so that a point may be passed once less than before.
            result.count("not reached again")
        else:
            result.count("kills")
        is_acknowledged = "acknowledged" in end.lines
        state = None
        if self._place.is_local:
            state = (self._place.state_of(_LAKE, counts_half_written=self._is_exact), is_acknowledged)
        problems = None if state is None else self._judged.get(state)
        if problems is None:
            result.count("states")
            checked = in_child(lambda tell: self._look(tell, is_acknowledged=is_acknowledged))
            problems = [*checked.lines, *([checked.failure] if checked.failure else [])]
            if state is not None:
                self._judged[state] = problems
        result.violations.extend(f"{point}, pass {passes + 1}: {problem}" for problem in problems)
        self._on_place(lambda: self._place.remove(_LAKE))

    def _on_place(self, work: Callable[[], None]) -> None:
        """A worker has no threads, so a client of a service has to live in a child."""
        if self._place.is_local:
            work()
        elif (end := in_child(lambda tell: work())).failure:
            raise RuntimeError(end.failure)

    def _write(self, tell: Tell, point: str, passes: int) -> None:
        lock = threading.Lock()
        left = passes

        def die(reached: str) -> None:
            nonlocal left
            if reached == point:
                with lock:
                    left -= 1
                    if left < 0:
                        os.kill(os.getpid(), signal.SIGKILL)

        lake = open_lake(self._place.stepped(_LAKE, die, variant=self._variant))
        self._operation.act(lake, self._scene, self._before)
        tell("acknowledged")
        die(_AFTER_ACK if point == _AFTER_ACK else "")

    def _look(self, tell: Tell, *, is_acknowledged: bool) -> None:
        store = self._place.store(_LAKE)
        # Looked for first: what is committed later may bring the same picture again.
        if is_acknowledged and (gone := self._operation.leaves_nothing_of(self._before)):
            open_lake(store).gc()  # purged bytes go with the next collection, however young they are
            for left in pictures_left(store, gone):
                tell(f"{left} holds a picture that was purged")
        allowed = [self._after] if is_acknowledged else [self._before, self._after]
        for problem in check_lake(store, allowed, self._scene):
            tell(problem)


def notes(counts: dict[str, float]) -> list[str]:
    """How many points each operation has."""
    points = {
        name.removeprefix("points "): int(amount) for name, amount in counts.items() if name.startswith("points ")
    }
    deep = sum(int(amount) for name, amount in counts.items() if name.startswith("deep "))
    listed = ", ".join(f"{name} {amount}" for name, amount in points.items() if amount)
    lines = [f"{sum(points.values())} points ({listed}), {counts.get('kills', 0):,.0f} writers killed"]
    lines.append(f"{counts.get('states', 0):,.0f} different states were judged")
    if deep:
        seeds = ", ".join(f"{operation.name} {operation.num_seeds}" for operation in built_operations())
        lines.append(f"{deep} of the points change the disk; they were tried with more seeds ({seeds})")
    if missed := counts.get("not reached again"):
        lines.append(f"{missed:.0f} times a point was not reached again, because threads share the work differently")
    if missing := operations_not_built():
        lines.append(f"not built yet, not counted: {', '.join(missing)}")
    return lines
