"""Rows that fail, crash their process or hang, among many that do not: exactly these end in quarantine.

`processes` is an operator that has a process for each worker, `threads` one whose workers share a process.
"""

from __future__ import annotations

import json
import random
from collections import Counter

from headrace.curation.explaining import stage_results
from headrace.curation.run_records import find_run
from proofs.curation.lakes import make_lake, start_run
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder

_RECIPE = """
recipe: quarantine
sources: {texts: texts}
stages:
  - {name: measure, operator: OPERATOR}
outputs:
  final: {stage: measure, dataset: curated}
"""
_OPERATORS = {"processes": "proof.volatile", "threads": "proof.volatile_free"}
_KINDS = {"CORRUPT": "InvalidInput", "SEGFAULT": "Crashed", "HANG": "TimedOut"}
_FULL = {"CORRUPT": 137, "SEGFAULT": 11, "HANG": 5}
_SHORT = {"CORRUPT": 9, "SEGFAULT": 2, "HANG": 1}


def cases(*, is_full: bool) -> list[str]:
    """Rows, and where they are worked on."""
    return [f"{100_000 if is_full else 3_000}/{place}" for place in _OPERATORS]


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Plant, run, and compare quarantine and output with what was planted."""
    result = CaseResult(case)
    rows, _, place = case.partition("/")
    num_rows = int(rows)
    planted = _FULL if num_rows == 100_000 else _SHORT
    chance = random.Random(f"{seed}/{case}")
    words = [word for word, number in planted.items() for _ in range(number)]
    bad = dict(zip(chance.sample(range(num_rows), len(words)), words, strict=True))
    texts = [f"{bad[idx]} {idx}" if idx in bad else f"text {idx}" for idx in range(num_rows)]
    with scratch_folder() as folder:
        (folder / "recipe.yaml").write_text(_RECIPE.replace("OPERATOR", _OPERATORS[place]))
        lake = make_lake(folder / "lake", texts)
        process = start_run(
            folder / "recipe.yaml",
            folder / "lake",
            values={},
            options={"workers": 2, "timeout_seconds": 2.0, "chunk_rows": 500},
        )
        told, said = process.communicate()
        result.runs = 1
        if process.returncode:
            result.violations.append(f"the run ended with {process.returncode}: {said[-500:]}")
            return result
        document = json.loads(told)
        store, results = stage_results(lake, find_run(lake.store, document["run_id"]))
        failed = store.table(results["measure"].failed).to_pylist()
        found = {int(row["_id"][1:]): row["class"] for row in failed}
        if found != {idx: _KINDS[word] for idx, word in bad.items()}:
            wrong = sorted(set(found.items()) ^ {(idx, _KINDS[word]) for idx, word in bad.items()})
            result.violations.append(f"{len(wrong)} rows are in quarantine wrongly or not: {wrong[:5]}")
        if any(not row["message"] for row in failed):
            result.violations.append("a row is in quarantine without a reason")
        output = lake.snapshot(f"curated@id:{document['outputs']['final']}").to_arrow(["text"]).column(0).to_pylist()
        if output != [text for idx, text in enumerate(texts) if idx not in bad]:
            result.violations.append("neighbours of bad rows are missing, or in another order")
        for kind, number in Counter(found.values()).items():
            result.count(kind, number)
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """What was quarantined."""
    return [", ".join(f"{kind} {number:.0f}" for kind, number in sorted(counts.items()))]
