"""Rows for prompts, and a process that writes them.

    python -m proofs.truth.prompt_rows FOLDER NUM_ROWS SEED TOKENIZER

Prints a digest of all prompts by id, and some of them. CHUNK, SHUFFLE and WORKERS in the environment say how it goes
about it: rows at once, another order, or a recipe with so many workers.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

__all__ = ["BUDGETS", "prompt_rows"]

BUDGETS: Final = (1, 7, 75)
_WORDS = [
    "1girl",
    "long_hair",
    "長い髪",
    "smile",
    "blue eyes",
    "ﬁre",
    "naïve",
    "Straße",
    "İstanbul",
    "😀",
    "e\u0301",
    "sky",
]
_SCHEMA = pa.schema(
    [
        ("_id", pa.string()),
        ("id", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("tags__confidence", pa.list_(pa.float64())),
        ("caption", pa.string()),
    ]
)


def prompt_rows(num_rows: int, *, seed: int) -> list[dict[str, Any]]:
    """Tags with confidences, many of them equal, and captions; some missing, some long."""
    random = np.random.default_rng([seed, 11])
    rows: list[dict[str, Any]] = []
    for number in range(num_rows):
        count = int(random.integers(0, 60)) if number % 9 else None
        tags = None
        if count is not None:
            tags = [f"{_WORDS[int(each) % len(_WORDS)]} {int(each)}" for each in random.integers(0, 5_000, count)]
        sure = None if count is None else np.round(random.random(count), 1).tolist()
        caption = " ".join(random.choice(_WORDS, int(random.integers(0, 12)))) if number % 7 else None
        name = f"{number:06d}"
        rows.append({"_id": name, "id": name, "tags": tags, "tags__confidence": sure, "caption": caption})
    return rows


def _settings(budget: int, tokenizer: Path) -> dict[str, Any]:
    return {
        "template": "{tags}, {caption}",
        "tokenizer": str(tokenizer),
        "budget": budget,
        "min_confidence": 0.2,
        "dropout": {"tags": 0.25},
        "seed": 5,
        "epoch": 2,
    }


def _by_operator(rows: list[dict[str, Any]], budget: int, tokenizer: Path) -> dict[str, tuple[str, int]]:
    from headrace.curation import find_operator
    from headrace.testing import run_operator

    if "SHUFFLE" in os.environ:
        order = np.random.default_rng(int(os.environ["SHUFFLE"])).permutation(len(rows))
        rows = [rows[idx] for idx in order.tolist()]
    size = int(os.environ.get("CHUNK", len(rows)))
    found: dict[str, tuple[str, int]] = {}
    for start in range(0, len(rows), size):
        part = pa.Table.from_pylist(rows[start : start + size], schema=_SCHEMA)
        written = run_operator(find_operator("prompt.assemble"), part, **_settings(budget, tokenizer))
        told = zip(written["prompt"].to_pylist(), written["prompt_tokens"].to_pylist())
        found.update(zip(part["_id"].to_pylist(), told))
    return found


def _by_recipe(folder: Path, rows: list[dict[str, Any]], budget: int, tokenizer: Path) -> dict[str, tuple[str, int]]:
    import headrace
    from headrace.curation import Recipe, Stage

    lake = headrace.connect(str(folder / f"lake-{budget}"))
    table = pa.Table.from_pylist(rows, schema=_SCHEMA).drop_columns(["_id"])
    lake.create_dataset("rows", type="TABLE", key="id", source=table)
    recipe = Recipe(
        "prompts",
        sources={"rows": "rows"},
        # Drop-out goes by the row's id, so it is that of the table here.
        stages=[
            Stage(name="named", sql="SELECT id AS _id, * FROM rows", inputs={"rows": "rows"}, key=["id"]),
            Stage(name="written", operator="prompt.assemble", settings=_settings(budget, tokenizer)),
        ],
        outputs={"final": {"stage": "written", "dataset": "prompts"}},
    )
    run = recipe.plan(lake).run(workers=int(os.environ["WORKERS"]))
    found = run.outputs["final"].to_arrow().to_pylist()
    return {row["id"]: (row["prompt"], row["prompt_tokens"]) for row in found}


def main(folder: Path, num_rows: int, seed: int, tokenizer: Path) -> dict[str, Any]:
    """What the process prints."""
    rows = prompt_rows(num_rows, seed=seed)
    digest = hashlib.blake2b()
    violations: list[str] = []
    some: list[tuple[int, str, int]] = []
    for budget in BUDGETS:
        is_recipe = "WORKERS" in os.environ
        found = _by_recipe(folder, rows, budget, tokenizer) if is_recipe else _by_operator(rows, budget, tokenizer)
        over = [name for name, (_, tokens) in found.items() if tokens > budget]
        if over:
            violations.append(f"{len(over)} prompts have more than {budget} tokens, such as that of {over[0]}")
        for name in sorted(found):
            digest.update(json.dumps([budget, name, *found[name]]).encode())
        some += [(budget, *found[name]) for name in sorted(found)[:: max(1, len(found) // 150)]]
    return {
        "digest": digest.hexdigest(),
        "num_prompts": num_rows * len(BUDGETS),
        "violations": violations,
        "some": some,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))))
