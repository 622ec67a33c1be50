"""A ceiling for the whole process tree holds, sampled while it runs, and the result is that of a run without one.

`table` is a join and a grouping over inputs ten times larger in memory than the ceiling; `document` has rows of 40 MB,
larger than any book, among small ones.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

from headrace.curation.executor.memory import held_bytes
from headrace.curation.explaining import stage_results
from headrace.curation.run_records import find_run
from headrace.datasets.lake import Lake
from proofs.curation.lakes import make_lake, start_run
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder

_TABLE = """
recipe: table
sources: {texts: texts}
stages:
  - name: grouped
    sql: |
      SELECT a.id, a.text, b.same
      FROM rows a JOIN (SELECT text, count(*) AS same FROM rows GROUP BY text) b USING (text)
    inputs: {rows: texts}
    key: [text]
outputs: {}
"""
_DOCUMENT = """
recipe: document
sources: {texts: texts}
stages:
  - {name: measure, operators: [proof.length, proof.count]}
outputs: {}
"""


def cases(*, is_full: bool) -> list[str]:
    """Name and ceiling in MiB."""
    return ["table/2048", "document/2048"] if is_full else ["document/1024"]


def skip_reason() -> str | None:
    """Needs /proc."""
    return None if os.path.exists("/proc/self/smaps_rollup") else "the system does not say what processes hold"


def check(case: str, *, seed: int) -> CaseResult:
    """Run with and without the ceiling."""
    result = CaseResult(case)
    name, _, megabytes = case.partition("/")
    ceiling = int(megabytes) << 20
    chance = random.Random(f"{seed}/{case}")
    with scratch_folder() as folder:
        if name == "table":
            # Texts of 100 letters, of which no two are equal but for every tenth: 20 GB as Arrow and hash tables.
            texts = [f"{chance.getrandbits(64):016x}" * 6 + str(idx % 1000) for idx in range(4_000_000)]
        else:
            texts = ["word " * 8_000_000 if idx in (3, 700) else f"text {idx}" for idx in range(1_000)]
        recipe = folder / "recipe.yaml"
        recipe.write_text(_TABLE if name == "table" else _DOCUMENT)
        lake = make_lake(folder / "lake", texts)
        del texts
        found, peak = _run(recipe, folder / "lake", result, {"workers": 2, "memory_bytes": ceiling})
        result.count(f"MiB at the peak of {name}", peak >> 20)
        if peak > ceiling:
            result.violations.append(f"the tree held {peak >> 20} MiB, {megabytes} may be")
        if not result.violations:
            bounded = _content(lake, found)
            shutil.rmtree(folder / "lake" / "derived" / "curation")  # so that all is computed again
            free, _ = _run(recipe, folder / "lake", result, {"workers": 2})
            if not result.violations and bounded != _content(lake, free):
                result.violations.append("the result differs from that without a ceiling")
        result.runs = 2
    return result


def _run(recipe: Path, lake: Path, result: CaseResult, options: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The run's document and the most that its process tree held."""
    process = start_run(recipe, lake, values={}, options=options)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(held_bytes(_tree(process.pid)).values()))
        time.sleep(0.05)
    told, said = process.communicate()
    if process.returncode:
        result.violations.append(f"the run ended with {process.returncode}: {said[-500:]}")
        return {}, peak
    return json.loads(told), peak


def _tree(root: int) -> list[int]:
    """The process and all below it."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                    parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {root}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return sorted(found)


def _content(lake: Lake, document: dict[str, Any]) -> str:
    """What names the content of the last stage's rows."""
    record = find_run(lake.store, document["run_id"])
    _, results = stage_results(lake, record)
    return results[record.stages[-1].name].rows.content_id


def notes(counts: dict[str, float]) -> list[str]:
    """Peaks."""
    return [f"{name}: {value:.0f}" for name, value in counts.items()]
