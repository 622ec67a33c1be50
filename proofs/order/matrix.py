"""The same global batches for any number of ranks and workers of any kind, from the start or resumed anywhere.

Every rank is a process of its own. What all ranks together consumed in two epochs is compared with the reference of
tests/order_reference.py, which shares no code with the package: positions and ids of every step.
"""

from __future__ import annotations

import hashlib
import json
import random

from proofs.order.streams import KINDS, Run, Step, Stream, Told, Topology, make_lake, merged, run_ranks
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder
from tests.order_reference import drawn_rows, epoch_ordinals

__all__ = ["cases", "check", "check_planted", "notes", "skip_reason"]

NUM_ROWS = 10_007
GLOBAL_BATCH = 48
EPOCHS = 2
_STREAMS = {
    "block": {},
    "filter": {"where": "id % 7 <> 3"},
    "weights": {"weights": "weight"},
    "global": {"mode": "global"},
}
_TOPOLOGIES = [
    Topology(world, workers, kind)
    for world in (1, 2, 3, 4, 8)
    for workers in (0, 1, 3)
    for kind in (KINDS if workers else ("none",))
]
_PAIRWISE = (
    "block/1x0-none",
    "filter/2x1-spawn",
    "weights/3x3-threads",
    "global/4x1-fork",
    "block/8x0-none",
    "filter/1x3-fork",
    "weights/1x1-subprocess",
)


def cases(*, is_full: bool) -> list[str]:
    """What is streamed, and how."""
    if not is_full:
        return list(_PAIRWISE)
    return [
        f"{stream}/{topology}"
        for topology in reversed(_TOPOLOGIES)
        for stream in _STREAMS
        if stream != "global" or topology.num_workers < 3  # the order alone differs, not how batches are made
    ]


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Two epochs from the start, and again from a state somewhere in them with another topology."""
    return _check(case, seed=seed, bug=None)


def check_planted(bug: str, *, seed: int) -> CaseResult:
    """The same with a planted bug."""
    return _check("block/3x1-threads", seed=seed, bug=bug)


def _check(case: str, *, seed: int, bug: str | None) -> CaseResult:
    result = CaseResult(case)
    name, _, text = case.partition("/")
    topology = Topology.parse(text)
    chance = random.Random(f"{seed}/{case}")
    with scratch_folder() as folder:
        stream = Stream(folder, make_lake(folder, num_rows=NUM_ROWS), **_STREAMS[name])  # type: ignore[arg-type]
        expected = expected_steps(stream)
        steps, told = _consumed(stream, Run(topology, GLOBAL_BATCH, bug=bug), seed=seed, result=result)
        _compare(expected, steps, f"{case} from the start", result)
        known = [(idx, line["state"]) for idx, line in enumerate(told[0]) if "state" in line]
        idx, state = chance.choice(known)
        others = _TOPOLOGIES if case not in _PAIRWISE else [Topology.parse(pair.split("/")[1]) for pair in _PAIRWISE]
        other = topology if bug else chance.choice(others)
        run = Run(other, GLOBAL_BATCH, state=state, bug=bug)
        steps, _ = _consumed(stream, run, seed=seed, result=result)
        _compare(expected[idx + 1 :], steps, f"{case} after step {idx}, resumed on {other}", result)
    return result


def _consumed(stream: Stream, run: Run, *, seed: int, result: CaseResult) -> tuple[list[Step], list[list[Told]]]:
    told, problems = run_ranks(stream, run, seed=seed)
    steps, wrong = merged(told, global_batch=run.global_batch, is_cut=False)
    result.runs += 1
    result.violations += problems + wrong
    result.count("processes", run.topology.world)
    result.count("batches", len(steps))
    result.count("padding", sum(sum(line["padding"]) for lines in told for line in lines))
    return steps, told


def _compare(expected: list[Step], steps: list[Step], what: str, result: CaseResult) -> None:
    if _hash(expected) == _hash(steps):
        return
    for idx, (wanted, found) in enumerate(zip(expected, steps)):
        if wanted != found:
            differing = sorted(set(wanted.members) ^ set(found.members))[:4]
            result.violations.append(
                f"{what}: batch {idx} is epoch {found.epoch} step {found.step} instead of epoch {wanted.epoch} step "
                f"{wanted.step}; differing (position, id): {differing}"
            )
            return
    result.violations.append(f"{what}: {len(steps)} batches instead of {len(expected)}")


def _hash(steps: list[Step]) -> str:
    document = [[step.epoch, step.step, step.members] for step in steps]
    return hashlib.blake2b(json.dumps(document).encode()).hexdigest()


def expected_steps(stream: Stream) -> list[Step]:
    """By the reference."""
    kept = [row for row in range(NUM_ROWS) if stream.where is None or row % 7 != 3]
    enough = max(1, len(kept) // (stream.block_rows * stream.window_blocks))
    lanes = max(count for count in range(1, min(128, enough) + 1) if GLOBAL_BATCH % count == 0)
    steps = []
    for epoch in range(EPOCHS):
        rows = kept
        if stream.weights is not None:
            rows = drawn_rows(kept, [float(row % 5) for row in kept], seed=stream.seed, epoch=epoch)
        ordinals = epoch_ordinals(
            len(kept),
            mode=stream.mode,
            seed=stream.seed,
            epoch=epoch,
            lanes=lanes,
            block_rows=stream.block_rows,
            window_blocks=stream.window_blocks,
        )
        for step, start in enumerate(range(0, len(kept), GLOBAL_BATCH)):
            positions = range(start, min(start + GLOBAL_BATCH, len(kept)))
            steps.append(Step(epoch, step, tuple((g, rows[ordinals[g]]) for g in positions)))
    return steps


def notes(counts: dict[str, float]) -> list[str]:
    """Lines below the table."""
    return [
        (
            f"{counts.get('batches', 0):,.0f} global batches of {GLOBAL_BATCH} over {NUM_ROWS:,} rows, two epochs, by "
            f"{counts.get('processes', 0):,.0f} rank processes; {counts.get('padding', 0):,.0f} samples of padding"
        )
    ]
