"""Kills a writer with SIGKILL at every named point of every operation, and looks at what it leaves.

One case is one operation with one seed: the points are found by a run that is not killed, then each of them is reached
by a new child on a copy of the same lake. Where a point is passed several times, the seed says at which time.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
from pathlib import Path

from proofs.forking import Tell, in_child
from proofs.outcomes import CaseResult
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
_AFTER_ACK = "after acknowledgement"


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
    with scratch_folder() as folder:
        before, counts = _set_stage(folder / "stage", operation, scene)
        after = operation.after(before, scene)
        # The first seed tries every point. Reading leaves no trace, and the end of one call is on disk what the
        # beginning of the next is, so the others leave out the points that could show nothing new.
        points = [point for point in sorted(counts) if number in ("0", "quick") or _changes_disk(point)]
        points.append(_AFTER_ACK)
        randomness = random.Random(f"{seed} {case} points")
        if number == "quick":
            points = [*randomness.sample(points[:-1], min(_QUICK_POINTS, len(points) - 1)), _AFTER_ACK]
        for point in points:
            if only is None or only in point:
                passes = randomness.randrange(counts[point]) if point in counts else 0
                _kill_at(result, folder, operation, scene, (before, after), point, passes, variant)
    result.count(f"points {name}", len(points) if number in ("0", "quick") else 0)
    result.count(f"deep {name}", len(points) if number == "1" else 0)
    return result


def _changes_disk(point: str) -> bool:
    when, call = point.split(" ")[:2]
    return when == "amid" or (when == "after" and call.startswith("disk.") and call != "disk.close")


def _set_stage(stage: Path, operation: Operation, scene: Scene) -> tuple[View, dict[str, int]]:
    """Prepare the lake, and find out on a copy which points the operation passes, and how often."""

    def work(tell: Tell) -> None:
        stage.mkdir()
        view = play(open_lake(stage), operation.needs, scene, View())
        tell(view.to_json())
        copy = stage.with_name("points")
        shutil.copytree(stage, copy)
        counter = PointCounter()
        operation.act(open_lake(SOUND.open(copy, counter)), scene, view)
        tell(json.dumps(counter.counts))
        shutil.rmtree(copy)

    end = in_child(work)
    if end.failure:
        raise RuntimeError(f"{operation.name} fails without being killed: {end.failure}")
    return View.from_json(end.lines[0]), json.loads(end.lines[1])


def _kill_at(
    result: CaseResult,
    folder: Path,
    operation: Operation,
    scene: Scene,
    views: tuple[View, View],
    point: str,
    passes: int,
    variant: Variant,
) -> None:
    before, after = views
    root = folder / "lake"
    shutil.copytree(folder / "stage", root)
    result.runs += 1

    def write(tell: Tell) -> None:
        lock = threading.Lock()
        left = passes

        def die(reached: str) -> None:
            nonlocal left
            if reached == point:
                with lock:
                    left -= 1
                    if left < 0:
                        os.kill(os.getpid(), signal.SIGKILL)

        operation.act(open_lake(variant.open(root, die)), scene, before)
        tell("acknowledged")
        die(_AFTER_ACK if point == _AFTER_ACK else "")

    def read(tell: Tell) -> None:
        is_acknowledged = "acknowledged" in end.lines
        # Looked for first: what is committed later may bring the same picture again.
        if is_acknowledged and (gone := operation.leaves_nothing_of(before)):
            open_lake(root).gc()  # purged bytes go with the next collection, however young they are
            for left in pictures_left(root, gone):
                tell(f"{left} holds a picture that was purged")
        for problem in check_lake(root, [after] if is_acknowledged else [before, after], scene):
            tell(problem)

    end = in_child(write)
    if end.failure:
        result.violations.append(f"{point}: the writer failed: {end.failure}")
    elif not end.was_killed:
        # Threads share the work, so that a point may be passed once less than before.
        result.count("not reached again")
    else:
        result.count("kills")
    checked = in_child(read)
    problems = [*checked.lines, *([checked.failure] if checked.failure else [])]
    result.violations.extend(f"{point}, pass {passes + 1}: {problem}" for problem in problems)
    shutil.rmtree(root)


def notes(counts: dict[str, float]) -> list[str]:
    """How many points each operation has."""
    points = {
        name.removeprefix("points "): int(amount) for name, amount in counts.items() if name.startswith("points ")
    }
    deep = sum(int(amount) for name, amount in counts.items() if name.startswith("deep "))
    listed = ", ".join(f"{name} {amount}" for name, amount in points.items() if amount)
    lines = [f"{sum(points.values())} points ({listed}), {counts.get('kills', 0):,.0f} writers killed"]
    if deep:
        seeds = ", ".join(f"{operation.name} {operation.num_seeds}" for operation in built_operations())
        lines.append(f"{deep} of the points change the disk; they were tried with more seeds ({seeds})")
    if missed := counts.get("not reached again"):
        lines.append(f"{missed:.0f} times a point was not reached again, because threads share the work differently")
    if missing := operations_not_built():
        lines.append(f"not built yet, not counted: {', '.join(missing)}")
    return lines
