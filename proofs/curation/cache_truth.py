"""Something is edited, and what depends on it runs again, nothing else: code, parameter, model, data; not comments.

Every run is a process of its own, on modules that lie in a folder of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import headrace
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder

_OPERATORS = '''
"""Operators of a project, with helpers two calls deep."""
import pyarrow as pa
from pathlib import Path
import numpy as np
from headrace.curation import operator
from shop.near import near

@operator(name="shop.measure", outputs={"measure": pa.int64()})
def measure(text: str, *, factor: int = 1) -> int:
    """A number."""
    return near(text) * factor

@operator(name="shop.plain", outputs={"plain": pa.int64()})
def plain(text: str) -> int:
    """Another, that uses no helper."""
    return len(text)

@operator(name="shop.model", outputs={"judged": pa.float64()})
def model(text: str, *, weights: Path) -> float:
    """A tiny model."""
    return float(np.load(weights, allow_pickle=False)[len(text) % 8])
'''
_NEAR = '''
"""The first helper."""
from shop.far import far

def near(text):
    return far(text) + 1
'''
_FAR = '''
"""The second helper."""

def far(text):
    return len(text)
'''
_RECIPE = """
recipe: truth
parameters: {factor: 1}
sources: {texts: texts}
stages:
  - {name: measured, operator: shop.measure, settings: {factor: "${factor}"}}
  - {name: counted, operator: shop.plain}
  - {name: judged, operator: shop.model, settings: {weights: weights.npy}}
outputs: {}
"""
_RUN = """
import json, sys, time
import headrace
from headrace.curation import Recipe, register_operator
from headrace.curation.recipe_run import run_plan
from headrace.curation.run_options import RunOptions
import shop.operators as operators
for name in ("measure", "plain", "model"):
    register_operator(getattr(operators, name))
begin = time.monotonic()
run = run_plan(Recipe.load(sys.argv[2]).plan(headrace.connect(sys.argv[1])), options=RunOptions(workers=0))
print(json.dumps({"calls": {k: v for s in run.record.stages for k, v in s.calls.items()},
                  "seconds": time.monotonic() - begin, "hash": run.plan.hash}))
"""
_ROWS = 12
_ALL = {"shop.measure": _ROWS, "shop.plain": _ROWS, "shop.model": _ROWS}


class _Project:
    """A folder with modules, a recipe and a model, and a lake beside it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "project"
        self.lake = folder / "lake"
        (self.home / "shop").mkdir(parents=True)
        (self.home / "shop" / "__init__.py").write_text("")
        self.write("operators", _OPERATORS)
        self.write("near", _NEAR)
        self.write("far", _FAR)
        self.recipe(_RECIPE)
        np.save(self.home / "weights.npy", np.arange(8.0))
        self.commit([f"text {'x' * idx}" for idx in range(_ROWS)])

    def write(self, module: str, text: str) -> None:
        (self.home / "shop" / f"{module}.py").write_text(text)

    def recipe(self, text: str) -> None:
        (self.home / "recipe.yaml").write_text(text)

    def commit(self, texts: list[str]) -> None:
        schema = pa.schema([("id", pa.string()), ("text", pa.string())])
        table = pa.table([[f"k{idx}" for idx in range(len(texts))], texts], schema=schema)
        lake = headrace.connect(str(self.lake))
        if lake.exists:
            lake.dataset("texts").commit(table)
        else:
            lake.create_dataset("texts", type="TABLE", schema=schema, key="id", source=table)

    def move(self) -> None:
        moved = self.home.with_name("elsewhere")
        shutil.move(self.home, moved)
        self.home = moved

    def run(self) -> dict[str, Any]:
        """What ran."""
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(self.lake), str(self.home / "recipe.yaml")],
            capture_output=True,
            text=True,
            cwd=self.home,
            env={**os.environ, "PYTHONPATH": f"{self.home}:{root}", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-600:])
        found: dict[str, Any] = json.loads(done.stdout)
        return found


_EDITS: dict[str, tuple[Callable[[_Project], None], dict[str, int]]] = {
    # (what is done, calls of each operator that must follow; the others must be known)
    "nothing": (lambda project: None, {}),
    "helper two calls deep": (
        lambda project: project.write("far", _FAR.replace("len(text)", "len(text) * 2")),
        {"shop.measure": _ROWS},
    ),
    "comment and docstring": (
        lambda project: project.write("far", "# a comment\n" + _FAR.replace("The second helper", "Helper two")),
        {},
    ),
    "layout": (
        lambda project: project.write("near", _NEAR.replace("far(text) + 1", "(\n        far(text)  +  1\n    )")),
        {},
    ),
    "parameter": (
        lambda project: project.recipe(_RECIPE.replace("factor: 1", "factor: 3")),
        {"shop.measure": _ROWS},
    ),
    "model": (lambda project: np.save(project.home / "weights.npy", np.arange(8.0) + 1), {"shop.model": _ROWS}),
    "one input": (
        lambda project: project.commit([f"text {'x' * idx}" if idx else "next" for idx in range(_ROWS)]),
        dict.fromkeys(_ALL, 1),
    ),
    "folder": (lambda project: project.move(), {}),
    "name of a stage": (lambda project: project.recipe(_RECIPE.replace("counted", "numbered")), {}),
}


def cases(*, is_full: bool) -> list[str]:
    """One edit each, and a recipe of twenty stages."""
    return [*_EDITS, "twenty stages"] if is_full else ["helper two calls deep", "model", "folder", "twenty stages"]


def skip_reason() -> str | None:
    """It runs anywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Run, edit, run."""
    result = CaseResult(case)
    with scratch_folder() as folder:
        project = _Project(folder)
        if case == "twenty stages":
            stages = "".join(f"  - {{name: stage{idx}, operator: shop.plain}}\n" for idx in range(20))
            project.recipe(f"recipe: twenty\nsources: {{texts: texts}}\nstages:\n{stages}outputs: {{}}\n")
            project.run()
            again = project.run()
            if again["calls"]:
                result.violations.append(f"the second run called {again['calls']}")
            if again["seconds"] >= 1.0:
                result.violations.append(f"the second run took {again['seconds']:.2f} s, 1 s may be")
            result.count("milliseconds of the second run of twenty stages", again["seconds"] * 1000)
        else:
            edit, expected = _EDITS[case]
            first = project.run()
            if first["calls"] != _ALL:
                result.violations.append(f"the first run called {first['calls']}")
            edit(project)
            again = project.run()
            found = {name: calls for name, calls in again["calls"].items() if calls}
            if found != expected:
                result.violations.append(f"after {case!r} {found} ran, expected {expected}")
            if case in ("nothing", "comment and docstring", "layout", "folder") and first["hash"] != again["hash"]:
                result.violations.append(f"after {case!r} the plan has another hash")
        result.runs = 2
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """How fast a known recipe is."""
    return [f"{name}: {value:.0f}" for name, value in counts.items()]
