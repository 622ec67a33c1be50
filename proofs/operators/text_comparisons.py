"""Text operators against Python, another detector, and definitions written out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headrace.curation import find_operator
from headrace.testing import run_operator
from proofs.operators.comparison import Comparison, largest
from proofs.operators.generated_texts import PASSAGES, language_texts, repeating_texts, wild_texts
from proofs.operators.text_oracles import (
    language_by_eld,
    length_by_python,
    prompt_by_definition,
    repetition_by_definition,
    tokens_by_merging,
    train_tokenizer,
)

__all__ = ["TEXT_COMPARISONS"]


def _length(num_rows: int, seed: int) -> float:
    texts = list(wild_texts(num_rows, seed=seed))
    table = run_operator(find_operator("text.length"), [{"text": text} for text in texts])
    found = zip(table["characters"].to_pylist(), table["words"].to_pylist(), table["bytes"].to_pylist())
    return float(sum(row != length_by_python(text) for row, text in zip(found, texts)))


def _language(num_rows: int, seed: int) -> float:
    texts = [text for _, text in language_texts(num_rows, seed=seed)]
    found = run_operator(find_operator("text.language"), [{"text": text} for text in texts])["language"].to_pylist()
    wanted = language_by_eld(texts)
    differing: int = sum(ours != theirs for ours, theirs in zip(found, wanted))
    return differing / max(num_rows, 1)


def _repetition(num_rows: int, seed: int) -> float:
    texts = list(repeating_texts(num_rows, seed=seed))
    table = run_operator(find_operator("text.repetition"), [{"text": text} for text in texts])
    return largest(
        abs(row[name] - wanted)
        for row, text in zip(table.to_pylist(), texts)
        for name, wanted in repetition_by_definition(text).items()
    )


def _tokens(num_rows: int, seed: int) -> float:
    texts = [text for _, text in language_texts(num_rows, seed=seed)] + ["", "  "]
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = train_tokenizer(Path(folder) / "tokenizer.json", list(PASSAGES.values()))
        rows = [{"text": text} for text in texts]
        found = run_operator(find_operator("text.tokens"), rows, tokenizer=tokenizer)["tokens"].to_pylist()
        return float(sum(count != tokens_by_merging(tokenizer, text) for count, text in zip(found, texts)))


def _prompts(num_rows: int, seed: int) -> float:
    random = np.random.default_rng(seed)
    words = sorted({word for passage in PASSAGES.values() for word in passage.split()})
    rows = [_prompt_row(random, words) for _ in range(num_rows)]
    schema = pa.schema([("tags", pa.list_(pa.string())), ("tags__confidence", pa.list_(pa.float64()))])
    table = pa.Table.from_pylist(rows, schema=schema.append(pa.field("caption", pa.string())))
    table = table.append_column("_id", pa.array([f"{idx:06d}" for idx in range(num_rows)]))
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = train_tokenizer(Path(folder) / "tokenizer.json", list(PASSAGES.values()))
        found = run_operator(
            find_operator("prompt.assemble"),
            table,
            template="a picture of {caption}, {tags}.",
            tokenizer=tokenizer,
            budget=40,
            min_confidence=0.25,
        )
        wanted = [prompt_by_definition(row, tokenizer=tokenizer, budget=40, least=0.25) for row in rows]
    got = zip(found["prompt"].to_pylist(), found["prompt_tokens"].to_pylist(), found["prompt_left_out"].to_pylist())
    return float(sum(ours != theirs for ours, theirs in zip(got, wanted)))


def _prompt_row(random: np.random.Generator, words: list[str]) -> dict[str, Any]:
    number = int(random.integers(0, 16))
    tags = ["_".join(random.choice(words, int(random.integers(1, 3)))) for _ in range(number)]
    sure = np.sort(np.round(random.random(number), 1))[::-1] if random.random() < 0.5 else random.random(number)
    caption = " ".join(random.choice(words, int(random.integers(0, 7))))
    is_known = random.random() < 0.9
    return {
        "tags": tags if is_known else None,
        "tags__confidence": sure.tolist() if is_known else None,
        "caption": caption if random.random() < 0.8 else None,
    }


TEXT_COMPARISONS = [
    Comparison("text.length", "len, str.split and str.encode on any code points", _length, "rows that differ", 0),
    Comparison(
        "text.language",
        "Nito-ELD's answer for stretches of 8 to 20 words in 13 languages",
        _language,
        "share that differs",
        0.05,
    ),
    Comparison(
        "text.repetition", "every pair of n-grams compared, every character marked", _repetition, "absolute", 1e-12
    ),
    Comparison(
        "text.tokens", "byte-pair merges by hand, with a tokenizer trained on the spot", _tokens, "rows that differ", 0
    ),
    Comparison(
        "prompt.assemble",
        "every prefix of every prompt tried, its tokens counted by hand",
        _prompts,
        "rows that differ",
        0,
    ),
]
