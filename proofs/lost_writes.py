"""Cuts the power: replays the system calls of a writer up to any point and keeps only what was synced, and some luck.

One case is one recorded story. After every call a few disks are made that a power cut at that moment may leave, each is
opened anew, and must show what was acknowledged by then, at most one operation more, and go on.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proofs.crash_images import DiskModel, write_image
from proofs.forking import Tell, in_child
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder
from proofs.story import Scene, View, check_lake
from proofs.system_calls import Call, record, strace_missing
from proofs.variants import SOUND, Variant

__all__ = ["cases", "check", "check_variant", "notes", "skip_reason"]

_STORIES = 8
_IMAGES_A_STORY = 300
_QUICK_IMAGES = 60


@dataclass(frozen=True, slots=True)
class _Moment:
    """A point of the recorded story: how many calls had returned, and what may be seen after a power cut there."""

    num_calls: int
    allowed: tuple[View, ...]


def cases(*, is_full: bool) -> list[str]:
    """`story/number`."""
    return [f"story/{number}" for number in range(_STORIES)] if is_full else ["story/quick"]


def skip_reason() -> str | None:
    """None if system calls can be recorded here."""
    return strace_missing()


def check(case: str, *, seed: int) -> CaseResult:
    """Record one story and open the disks that power cuts may leave of it."""
    return check_variant(case, seed=seed, variant=SOUND)


def check_variant(case: str, *, seed: int, variant: Variant) -> CaseResult:
    """The same with another store."""
    result = CaseResult(case)
    randomness = random.Random(f"{seed} {case}")
    num_images = _QUICK_IMAGES if case.endswith("quick") else _IMAGES_A_STORY
    with scratch_folder() as folder:
        root = folder / "disk"
        root.mkdir()
        scene = Scene(f"{seed} {case}")
        command = [sys.executable, "-m", "proofs.recorded_story", str(root / "lake"), scene.seed, variant.name]
        calls = record(command, trace=folder / "trace", below=root)
        shutil.rmtree(root)
        moments = _moments(calls)
        result.count("calls", sum(call.name != "remark" for call in calls))
        result.count("syncs", sum(call.name == "sync" for call in calls))
        result.count("operations", sum(call.name == "remark" and b"acknowledged" in call.data for call in calls))
        # A name that is not durable yet is what goes wrong most easily: half of the images are of such moments.
        names = [idx for idx, call in enumerate(calls) if call.name in ("link", "rename", "unlink", "make_folder")]
        chosen = randomness.choices(range(len(moments)), k=num_images // 2)
        chosen = sorted(chosen + randomness.choices(names, k=num_images - len(chosen)))
        model = DiskModel(root)
        seen: set[str] = set()
        done = 0
        for idx in chosen:
            moment = moments[idx]
            for call in calls[done : moment.num_calls]:
                model.apply(call)
            done = max(done, moment.num_calls)
            image = model.image(randomness)
            name = _name(image, moment.allowed)
            if name not in seen:
                seen.add(name)
                _open(result, folder / "image", image, moment, scene, variant)
    return result


def _moments(calls: Sequence[Call]) -> list[_Moment]:
    """The moment after each call, with what the operation in flight at that moment may have done."""
    remarks = [(idx, json.loads(call.data)) for idx, call in enumerate(calls, 1) if call.name == "remark" and call.data]
    found: list[_Moment] = []
    durable, possible = View(), [View()]
    coming = 0
    for num_calls in range(1, len(calls) + 1):
        if coming < len(remarks) and remarks[coming][0] == num_calls:
            kind, text = remarks[coming][1]
            view = View.from_json(text)
            coming += 1
            if kind == "begins":  # from here on its effect may be there
                possible = [*possible, view]
            elif kind == "acknowledged":
                durable, possible = view, [view]
            elif kind == "found":  # after a killed try: this is what readers saw; both outcomes may survive a power cut
                possible = [durable, view] if view != durable else [durable]
        found.append(_Moment(num_calls, tuple(dict.fromkeys(possible))))
    return found


def _open(
    result: CaseResult, root: Path, image: dict[str, bytes | None], moment: _Moment, scene: Scene, variant: Variant
) -> None:
    def read(tell: Tell) -> None:
        root.mkdir()
        write_image(image, root)
        for problem in check_lake(root / "lake", moment.allowed, scene):
            tell(problem)

    result.runs += 1
    end = in_child(read)
    problems = [*end.lines, *([end.failure] if end.failure else [])]
    result.violations.extend(f"power cut after call {moment.num_calls}: {problem}" for problem in problems)
    shutil.rmtree(root, ignore_errors=True)


def _name(image: dict[str, bytes | None], allowed: Sequence[View]) -> str:
    digest = hashlib.sha256()
    for path in sorted(image):
        digest.update(repr((path, image[path])).encode())
    digest.update(repr(allowed).encode())
    return digest.hexdigest()


def notes(counts: dict[str, float]) -> list[str]:
    """How much was recorded."""
    recorded = f"{counts.get('calls', 0):,.0f} system calls recorded, {counts.get('syncs', 0):,.0f} of them syncs"
    return [f"{counts.get('operations', 0):.0f} operations, {recorded}"]
