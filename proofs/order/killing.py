"""Trainers are killed with SIGKILL and restarted with other ranks, workers and batch sizes, over changing data.

A case is one run of ten kills. Ranks die each at a moment of its own; what counts as consumed is what all of them had
when the first one died, as a checkpoint would say. Each epoch must hold every row that stayed exactly once; a row that
was added meanwhile exactly once too, a row that was deleted at most once.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from proofs.order.streams import KINDS, Run, Stream, Told, Topology, change_lake, make_lake, merged, run_ranks
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder

__all__ = ["cases", "check", "check_planted", "notes", "skip_reason"]

_NUM_ROWS = 1_501
_KILLS = 10
_CASES = 10
_WORLDS = (1, 2, 3, 4, 8)
_BATCHES = (16, 24, 48, 50, 96)
_CHANGES = 3  # at most so many changes of the data in one case


def cases(*, is_full: bool) -> list[str]:
    """Runs by number; the data of odd ones changes, every third has a filter."""
    return [f"run/{number}" for number in range(_CASES)] if is_full else ["short/0", "short/1"]


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Kill, restart elsewhere, and count at the end of each epoch."""
    return _check(case, seed=seed, bug=None)


def check_planted(bug: str, *, seed: int) -> CaseResult:
    """The same with a planted bug, over changing data."""
    return _check("planted/1", seed=seed, bug=bug)


def _check(case: str, *, seed: int, bug: str | None) -> CaseResult:
    result = CaseResult(case)
    size, _, number = case.partition("/")
    chance = random.Random(f"{seed}/{case}")
    is_changing = int(number) % 2 == 1
    kinds = (*KINDS, "forkserver") if size == "run" else ("threads", "fork", "subprocess")
    with scratch_folder() as folder:
        snapshot = make_lake(folder, num_rows=_NUM_ROWS)
        where = "id % 5 <> 1" if int(number) % 3 == 2 else None
        stream = Stream(folder, snapshot, where=where, mode=chance.choice(["block", "block", "global"]), block_rows=16)
        ledger = _Ledger(_matching(range(_NUM_ROWS), where))
        state: Told | None = None
        num_rows, changes = _NUM_ROWS, 0
        for _kill in range(_KILLS if size == "run" else 3):
            is_changed = is_changing and state is not None and changes < _CHANGES and chance.random() < 0.5
            if is_changed:
                changes += 1
                divisor, rest, more = chance.choice([11, 13, 17]), chance.randrange(11), chance.choice([0, 60, 150])
                stream = replace(
                    stream,
                    snapshot=change_lake(
                        folder, delete=f"id % {divisor} = {rest}", add=range(num_rows, num_rows + more)
                    ),
                )
                ledger.change(lost=lambda row, divisor=divisor, rest=rest: row % divisor == rest,  # type: ignore[misc]
                              gained=_matching(range(num_rows, num_rows + more), where))  # fmt: skip
                num_rows += more
                result.count("changes")
            kind, workers = chance.choice(kinds), chance.choice([0, 1, 2])
            topology = Topology(chance.choice(_WORLDS), workers, kind if workers else "none")
            run = Run(
                topology,
                chance.choice(_BATCHES),
                state=state,
                is_changed=is_changed,
                last_epoch=10**9,
                kill_steps=chance.randrange(1, 12),
                bug=bug,
            )
            state = _consume(stream, run, ledger, result, seed=chance.randrange(1 << 30), is_cut=True) or state
            result.runs += 1
            result.count("kills")
            result.count("processes", topology.world)
        last_epoch = 0 if state is None else state["segments"][-1]["epoch"]
        run = Run(Topology(2, 1, "threads"), 48, state=state, last_epoch=last_epoch, bug=bug)
        _consume(stream, run, ledger, result, seed=0, is_cut=False)
        result.violations += ledger.problems(up_to=last_epoch)
        result.count("epochs", last_epoch + 1)
        result.count("samples", ledger.num_samples)
    return result


def _consume(stream: Stream, run: Run, ledger: _Ledger, result: CaseResult, *, seed: int, is_cut: bool) -> Told | None:
    """Run the ranks, book what all of them consumed, and give the state after it."""
    told, problems = run_ranks(stream, run, seed=seed)
    steps, wrong = merged(told, global_batch=run.global_batch, is_cut=is_cut)
    result.violations += problems + wrong
    for step in steps:
        ledger.book(step.epoch, [row for _, row in step.members])
    return told[0][len(steps) - 1].get("state") if steps and is_cut else None


class _Ledger:
    """Which rows each epoch must hold and did."""

    def __init__(self, rows: set[int]) -> None:
        self._rows = rows
        self._epoch = 0
        self._lost: dict[int, set[int]] = {}  # by epoch: rows that were there at first
        self._wanted: dict[int, set[int]] = {0: set(rows)}
        self._taken: dict[int, Counter[int]] = {}
        self.num_samples = 0

    def book(self, epoch: int, rows: list[int]) -> None:
        """Rows were consumed."""
        for passed in range(self._epoch + 1, epoch + 1):
            self._wanted[passed] = set(self._rows)
        self._epoch = max(epoch, self._epoch)
        self._taken.setdefault(epoch, Counter()).update(rows)
        self.num_samples += len(rows)

    def change(self, *, lost: Callable[[int], bool], gained: set[int]) -> None:
        """The data is another from now on; of this epoch what is left."""
        gone = {row for row in self._rows if lost(row)}
        self._rows = (self._rows - gone) | gained
        epoch = self._epoch
        self._lost.setdefault(epoch, set()).update(gone)
        self._wanted[epoch] = (self._wanted[epoch] - gone) | gained

    def problems(self, *, up_to: int) -> list[str]:
        """What the epochs hold wrongly."""
        found = []
        for epoch in range(up_to + 1):
            taken = self._taken.get(epoch, Counter())
            twice = sorted(row for row, count in taken.items() if count > 1)
            missing = sorted(self._wanted.get(epoch, self._rows) - set(taken))
            strange = sorted(set(taken) - self._wanted.get(epoch, self._rows) - self._lost.get(epoch, set()))
            for name, rows in (("came twice", twice), ("never came", missing), ("do not belong", strange)):
                if rows:
                    found.append(f"epoch {epoch}: {len(rows)} rows {name}: {rows[:5]}")
        return found


def _matching(rows: range, where: str | None) -> set[int]:
    return {row for row in rows if where is None or row % 5 != 1}


def notes(counts: dict[str, float]) -> list[str]:
    """Lines below the table."""
    return [
        (
            f"{counts.get('kills', 0):,.0f} kills of {counts.get('processes', 0):,.0f} rank processes, "
            f"{counts.get('changes', 0):,.0f} changes of the data, {counts.get('samples', 0):,.0f} samples in "
            f"{counts.get('epochs', 0):,.0f} epochs; looked for processes and files in /dev/shm after each"
        )
    ]
