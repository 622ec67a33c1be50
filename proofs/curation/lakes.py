"""Lakes of texts for the proofs, and recipes that run in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

import headrace
from headrace.curation import Recipe
from headrace.datasets.lake import Lake

__all__ = ["SCHEMA", "make_lake", "rows_of", "start_run", "warm_up"]

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])

_RUN = """
import json, sys
import headrace
from headrace.curation import Recipe
from headrace.curation.operator_stage import ChunkSize
from headrace.curation.recipe_run import run_plan
from headrace.curation.run_options import RunOptions
from headrace.curation.registry import register_operator
import proofs.curation.operators as operators

asked = json.loads(sys.argv[1])
for name in operators.__all__:
    register_operator(getattr(operators, name))
options = dict(asked["options"])
if "chunk_rows" in options:
    options["chunk"] = ChunkSize(rows=options.pop("chunk_rows"))
plan = Recipe.load(asked["recipe"], set=asked["set"]).plan(headrace.connect(asked["lake"]))
print(json.dumps(run_plan(plan, options=RunOptions(**options)).to_json()))
"""


def make_lake(folder: Path, texts: Sequence[str]) -> Lake:
    """A lake with one keyed table `texts`."""
    lake = headrace.connect(str(folder))
    lake.create_dataset("texts", type="TABLE", schema=SCHEMA, key="id", source=texts_table(texts))
    return lake


def texts_table(texts: Sequence[str], *, start: int = 0) -> pa.Table:
    """Rows with keys that count up."""
    return pa.table([[f"k{start + idx:07d}" for idx in range(len(texts))], list(texts)], schema=SCHEMA)


def start_run(
    recipe: Path, lake: Path, *, values: Mapping[str, Any], options: Mapping[str, Any]
) -> subprocess.Popen[str]:
    """A run in a process group of its own; its document comes on standard output."""
    asked = {"recipe": str(recipe), "lake": str(lake), "set": dict(values), "options": dict(options)}
    return subprocess.Popen(
        [sys.executable, "-c", _RUN, json.dumps(asked)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def rows_of(lake: Lake, document: Mapping[str, Any], dataset: str, columns: Sequence[str]) -> dict[str, Any]:
    """Columns of the output `final` of a finished run."""
    snapshot = lake.snapshot(f"{dataset}@id:{document['outputs']['final']}")
    found: dict[str, Any] = snapshot.to_arrow().select(list(columns)).to_pydict()
    return found


def warm_up() -> None:
    """Import what every case needs, once."""
    import duckdb  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    _ = Recipe
