"""A million measured rows, then one per cent more and one metric more: exactly what is new is computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from proofs.curation.lakes import make_lake, start_run, texts_table
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder

_RECIPE = """
recipe: backfill
sources: {texts: texts}
stages:
  - name: measure
    operators: [METRICS]
outputs: {}
"""
_OLD = ("proof.length", "proof.letters")


def cases(*, is_full: bool) -> list[str]:
    """The number of rows."""
    return ["1000000"] if is_full else ["20000"]


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Count calls, and look at every object that was there before."""
    result = CaseResult(case)
    num_rows = int(case)
    more = num_rows // 100
    with scratch_folder() as folder:
        recipe = folder / "recipe.yaml"
        lake = make_lake(folder / "lake", [f"text {seed} {idx}" for idx in range(num_rows)])
        first = _run(recipe, folder / "lake", _OLD, result)
        before = _objects(folder / "lake")
        lake.dataset("texts").commit(
            texts_table([f"text {seed} {num_rows + idx}" for idx in range(more)], start=num_rows)
        )
        second = _run(recipe, folder / "lake", (*_OLD, "proof.count"), result)
        again = _run(recipe, folder / "lake", (*_OLD, "proof.count"), result)
        if result.violations:
            return result
        wanted = dict.fromkeys(_OLD, num_rows)
        if first["stages"][0]["calls"] != wanted:
            result.violations.append(f"the first run called {first['stages'][0]['calls']}, expected {wanted}")
        wanted = {**dict.fromkeys(_OLD, more), "proof.count": num_rows + more}
        if second["stages"][0]["calls"] != wanted:
            result.violations.append(f"the second run called {second['stages'][0]['calls']}, expected {wanted}")
        if not again["stages"][0]["cached"]:
            result.violations.append("a third run computed the stage again")
        after = _objects(folder / "lake")
        touched = [name for name, stamp in before.items() if after.get(name) != stamp]
        if touched:
            result.violations.append(f"{len(touched)} objects were touched, such as {touched[0]}")
        result.count("objects", len(before))
    return result


def _run(recipe: Path, lake: Path, metrics: tuple[str, ...], result: CaseResult) -> dict[str, Any]:
    recipe.write_text(_RECIPE.replace("METRICS", ", ".join(metrics)))
    process = start_run(recipe, lake, values={}, options={"workers": 2})
    told, said = process.communicate()
    result.runs += 1
    if process.returncode:
        result.violations.append(f"a run ended with {process.returncode}: {said[-500:]}")
        return {}
    found: dict[str, Any] = json.loads(told)
    return found


def _objects(lake: Path) -> dict[str, tuple[int, int, int]]:
    """Every file of results with its identity, size and time."""
    stats = {path: path.stat() for path in (lake / "derived" / "curation").rglob("*") if path.is_file()}
    return {str(path): (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def notes(counts: dict[str, float]) -> list[str]:
    """How much was looked at."""
    return [f"{counts.get('objects', 0):.0f} objects of the first run, none touched"]
