"""Runs are killed with SIGKILL at random moments, with their workers, and started again with other chunks.

Each run has an operator, a table stage that needs all rows, a filter and a small model. What comes out in the end must
be what an undisturbed run gives, and after each kill no more may be computed again than one chunk of each worker.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import numpy as np

from proofs.curation.lakes import make_lake, rows_of, start_run
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder

_NUM_ROWS = 800
_WORKERS = 2
_KILLS = 10
_CHUNKS = (10, 25, 60)
_COLUMNS = ("id", "text", "length", "same_length", "score")

_RECIPE = """
recipe: kills
parameters: {log: "", weights: weights.npy}
sources: {texts: texts}
stages:
  - {name: measure, operator: proof.length, settings: {log: "${log}.length", seconds: 0.002}}
  - name: together
    sql: SELECT a.*, count(*) OVER (PARTITION BY length) AS same_length FROM rows a
    inputs: {rows: measure}
    key: [length]
  - {name: long, filter: length >= 9}
  - {name: judged, operator: proof.score, settings: {weights: "${weights}", log: "${log}.score"}}
outputs:
  final: {stage: judged, dataset: curated}
"""


def cases(*, is_full: bool) -> list[str]:
    """Twenty lives of ten kills each."""
    return [f"run/{number}" for number in range(20)] if is_full else ["short/0"]


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Kill, look what was computed twice, and compare in the end."""
    result = CaseResult(case)
    chance = random.Random(f"{seed}/{case}")
    num_kills = _KILLS if case.startswith("run/") else 3
    with scratch_folder() as folder:
        recipe = folder / "recipe.yaml"
        recipe.write_text(_RECIPE)
        np.save(folder / "weights.npy", np.random.default_rng(seed).normal(size=256))
        texts = [f"text {idx} " + "x" * (idx % 7) for idx in range(_NUM_ROWS)]
        undisturbed = make_lake(folder / "undisturbed", texts)
        begin = time.monotonic()
        process = start_run(
            recipe, folder / "undisturbed", values={"log": str(folder / "a")}, options={"workers": _WORKERS}
        )
        told, said = process.communicate()
        if process.returncode:
            result.violations.append(f"an undisturbed run ended with {process.returncode}: {said[-500:]}")
            return result
        seconds = time.monotonic() - begin
        expected = rows_of(undisturbed, _document(told), "curated", _COLUMNS)
        lake = make_lake(folder / "lake", texts)
        logs = [folder / "b.length", folder / "b.score"]
        read = [0, 0]
        seen: list[set[str]] = [set(), set()]
        budgets = [0, 0]  # rows that the kills so far may have lost
        for kill in range(num_kills + 1):
            chunk = chance.choice(_CHUNKS)
            process = start_run(
                recipe,
                folder / "lake",
                values={"log": str(folder / "b")},
                options={"workers": _WORKERS, "chunk_rows": chunk},
            )
            if kill < num_kills:
                time.sleep(chance.uniform(0.3, 1.0) * seconds)
                os.killpg(process.pid, signal.SIGKILL)
            told, said = process.communicate()
            for idx, log in enumerate(logs):
                lines = log.read_text().splitlines() if log.exists() else []
                new, read[idx] = lines[read[idx] :], len(lines)
                again = len(new) - len(set(new) - seen[idx])
                seen[idx].update(new)
                budgets[idx] -= again
                if budgets[idx] < 0:
                    result.violations.append(
                        f"after kill {kill} {again} rows were computed again by {log.suffix}, {-budgets[idx]} too many"
                    )
                budgets[idx] += _WORKERS * chunk
            result.runs += 1
        if process.returncode:
            result.violations.append(f"the last run ended with {process.returncode}: {said[-500:]}")
        elif rows_of(lake, _document(told), "curated", _COLUMNS) != expected:
            result.violations.append("the output differs from that of an undisturbed run")
        result.count("kills", num_kills)
        result.violations += _left_behind(folder / "lake")
    return result


def _document(told: str) -> dict[str, object]:
    import json

    found: dict[str, object] = json.loads(told)
    return found


def _left_behind(lake: Path) -> list[str]:
    """Claims of chunks, of the runs that were killed or of the last one."""
    left = [path for path in (*lake.rglob("claims/*"), *lake.rglob("claim-owners/*")) if path.is_file()]
    return [f"{len(left)} claims are left"] if left else []


def notes(counts: dict[str, float]) -> list[str]:
    """How many were killed."""
    return [f"{counts.get('kills', 0):.0f} kills of a run with its {_WORKERS} workers"]
