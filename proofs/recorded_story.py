"""A writer whose system calls are recorded: `python -m proofs.recorded_story ROOT SEED VARIANT`.

It does every operation once, each in a process of its own. Before some of them a process that does the same is killed
half way, so that the next one meets objects whose writer never synced them. Remarks about what begins and what is
acknowledged are written to /dev/null: they stand among the recorded calls, at the right place.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from pathlib import Path

from proofs.forking import Tell, in_child, preload
from proofs.story import OPERATIONS, Operation, Scene, View, observe, open_lake
from proofs.variants import VARIANTS, Variant
from proofs.warm_up import warm_up

_STORY = (
    "create", "commit", "snapshot", "alias", "commit_same_bytes", "commit", "delete", "snapshot", "compact", "purge",
    "litter", "gc", "commit",
)  # fmt: skip
_KILL_LIKELIHOOD = 0.5
_MOST_POINTS = 60  # of one operation; a greater number means that it ends before it is killed
_AFTER_CLAIM = ("after disk.link dataset log", "after disk.link lake log")


def main(arguments: list[str]) -> int:
    """Tell the story."""
    root, seed, variant = Path(arguments[0]), arguments[1], VARIANTS[arguments[2]]
    preload(warm_up)
    scene, view = Scene(seed), View()
    randomness = random.Random(f"{seed} kills")
    null = os.open(os.devnull, os.O_WRONLY)

    def remark(kind: str, view: View) -> None:
        os.write(null, json.dumps([kind, view.to_json()]).encode())

    for name in _STORY:
        operation = OPERATIONS[name]
        if not operation.built():
            continue
        if operation.is_interrupted and randomness.random() < _KILL_LIKELIHOOD:
            remark("begins", operation.after(view, scene))
            # A third of them right after the claim: it is there, but its name is not durable yet.
            die_at = None if randomness.randrange(3) == 0 else randomness.randrange(_MOST_POINTS)
            _do(operation, root, scene, view, variant, is_killed=True, die_at=die_at)
            view = _look(root)
            remark("found", view)
        if name == "create" and view.exists:
            continue
        after = operation.after(view, scene)
        remark("begins", after)
        _do(operation, root, scene, view, variant, is_killed=False)
        remark("acknowledged", after)
        view = after
    return 0


def _do(
    operation: Operation,
    root: Path,
    scene: Scene,
    view: View,
    variant: Variant,
    *,
    is_killed: bool,
    die_at: int | None = None,  # number of a point; None: right after the claim
) -> None:
    def work(tell: Tell) -> None:
        lock = threading.Lock()
        reached = 0

        def die(point: str) -> None:
            nonlocal reached
            with lock:
                reached += " disk." in point or point.startswith("amid")
                if reached == die_at or (die_at is None and point in _AFTER_CLAIM):
                    os.kill(os.getpid(), signal.SIGKILL)

        operation.act(open_lake(variant.open(root, die if is_killed else None)), scene, view)

    end = in_child(work)
    if end.failure:
        raise RuntimeError(end.failure)


def _look(root: Path) -> View:
    """What readers see, found out by a process that reads only."""

    def work(tell: Tell) -> None:
        tell(observe(open_lake(root)).to_json())

    end = in_child(work)
    if end.failure:
        raise RuntimeError(end.failure)
    return View.from_json(end.lines[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
