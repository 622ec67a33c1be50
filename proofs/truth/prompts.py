"""Prompts stay in their budget and are the same in every process.

A tokenizer is trained on texts of many languages. Rows with tags, confidences and captions become prompts in processes
with other hash seeds, locales, numbers of threads and chunks; one of the processes runs them as a recipe with two
workers. Tokens are counted again by the definition of byte pair encoding, without the library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from proofs.operators.generated_texts import PASSAGES
from proofs.operators.text_oracles import tokens_by_merging, train_tokenizer
from proofs.outcomes import CaseResult
from proofs.scratch import scratch_folder
from proofs.truth.prompt_rows import BUDGETS, prompt_rows

_COUNTED = 150  # prompts whose tokens are counted by the definition, of each budget
_PLACES: tuple[dict[str, str], ...] = (
    {"PYTHONHASHSEED": "0", "LC_ALL": "C", "TOKENIZERS_PARALLELISM": "false"},
    {"PYTHONHASHSEED": "12345", "LC_ALL": "C.UTF-8", "TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": "4"},
    {"PYTHONHASHSEED": "random", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kolkata", "CHUNK": "7"},
    {"PYTHONHASHSEED": "7", "LC_ALL": "POSIX", "PYTHONUTF8": "0", "CHUNK": "1000", "SHUFFLE": "3"},
    {"PYTHONHASHSEED": "9", "WORKERS": "1"},
    {"PYTHONHASHSEED": "8", "WORKERS": "2"},
)


def cases(*, is_full: bool) -> list[str]:
    """Rows."""
    return ["20000"] if is_full else ["300"]


def skip_reason() -> str | None:
    """Needs the library that reads tokenizers."""
    try:
        import tokenizers  # noqa: F401  # only whether it is there
    except ImportError:
        return "tokenizers is not installed: pip install 'headrace[tokens]'"
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Write the same prompts in several processes."""
    result = CaseResult(case)
    with scratch_folder() as folder:
        tags = [str(tag) for row in prompt_rows(40, seed=seed) for tag in row["tags"] or []]
        tokenizer = train_tokenizer(folder / "tokenizer.json", [*PASSAGES.values(), " ".join(tags)])
        digests: set[str] = set()
        for number, place in enumerate(_PLACES):
            told = _written(folder / str(number), int(case), seed, tokenizer, place)
            digests.add(told["digest"])
            result.runs += 1
            result.count("prompts", told["num_prompts"])
            result.violations += [f"{json.dumps(place)}: {text}" for text in told["violations"]]
            if number == 0:
                _count_again(result, told["some"], tokenizer)
    if len(digests) != 1:
        result.violations.append(f"{len(digests)} different sets of prompts in {len(_PLACES)} processes")
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """How many."""
    return [f"{name}: {value:,.0f}" for name, value in counts.items()]


def _written(folder: Path, num_rows: int, seed: int, tokenizer: Path, place: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "proofs.truth.prompt_rows", str(folder), str(num_rows), str(seed), str(tokenizer)]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=600,
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, **place},
    )
    if ran.returncode:
        return {"digest": "", "num_prompts": 0, "violations": [ran.stderr[-600:]], "some": []}
    document: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return document


def _count_again(result: CaseResult, some: list[tuple[int, str, int]], tokenizer: Path) -> None:
    for budget, prompt, tokens in some[: _COUNTED * len(BUDGETS)]:
        if "\u0301" in prompt:  # where words end beside such marks, Python and the library do not agree
            continue
        counted = tokens_by_merging(tokenizer, prompt)
        result.count("prompts counted by the definition")
        if counted != tokens or counted > budget:
            result.violations.append(f"{prompt!r} has {counted} tokens, told were {tokens}, the budget is {budget}")
