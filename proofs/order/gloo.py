"""Real torch.distributed processes: ranks from the process group, uneven data, a collective in every step."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from proofs.order.gloo_rank import BATCH_SIZE, EPOCHS, NUM_ROWS
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder

__all__ = ["cases", "check", "notes", "skip_reason"]

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 180.0


def cases(*, is_full: bool) -> list[str]:
    """Ranks and workers of each."""
    return ["3/0", "3/2", "2/1", "4/0"] if is_full else ["2/1"]


def skip_reason() -> str | None:
    """It needs torch."""
    return None if importlib.util.find_spec("torch") else "torch is not installed"


def check(case: str, *, seed: int) -> CaseResult:
    """All ranks meet in an all_reduce after every batch, so that one step more or less would hang."""
    result = CaseResult(case, runs=1)
    world, workers = (int(part) for part in case.split("/"))
    with scratch_folder() as folder:
        command = [sys.executable, "-m", "proofs.order.gloo_rank", str(folder / "meeting"), str(world), str(workers)]
        ranks = [
            subprocess.Popen(
                [*command, str(rank), str(seed)], cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for rank in range(world)
        ]
        told = []
        for rank, process in enumerate(ranks):
            try:
                out, errors = process.communicate(timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                for other in ranks:
                    other.kill()
                process.communicate()
                result.violations.append(f"rank {rank} of {world} hung")
                return result
            if process.returncode != 0:
                result.violations.append(f"rank {rank} of {world}: {errors[-2_000:]}")
                return result
            told.append(json.loads(out.splitlines()[-1]))
    for epoch in range(EPOCHS):
        steps = {len(rank["steps"][epoch]) for rank in told}
        expected = -(-NUM_ROWS // (BATCH_SIZE * world))
        if steps != {expected}:
            result.violations.append(f"epoch {epoch}: ranks took {sorted(steps)} steps instead of {expected}")
        if len({tuple(rank["steps"][epoch]) for rank in told}) != 1:
            result.violations.append(f"epoch {epoch}: ranks had batches of different sizes in one step")
        ids = sorted(row for rank in told for row in rank["ids"][epoch])
        if ids != list(range(NUM_ROWS)):
            result.violations.append(f"epoch {epoch}: {len(ids)} samples, {len(set(ids))} different ones")
        result.count("steps", expected)
        result.count("padding", sum(rank["padding"][epoch] for rank in told))
    if told[0]["ids"][0] == told[0]["ids"][1]:
        result.violations.append("both epochs have one order")
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """Lines below the table."""
    return [
        (
            f"{counts.get('steps', 0):,.0f} steps over {NUM_ROWS:,} rows, all ranks equally many; "
            f"{counts.get('padding', 0):,.0f} samples of padding"
        )
    ]
