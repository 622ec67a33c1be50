"""What other libraries, or the definition written out, say of a text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

__all__ = [
    "language_by_eld",
    "length_by_python",
    "merged_ids",
    "prompt_by_definition",
    "repetition_by_definition",
    "tokens_by_merging",
    "train_tokenizer",
]


def length_by_python(text: str) -> tuple[int, int, int]:
    """Characters, words, bytes."""
    return len(text), len(text.split()), len(text.encode("utf-8"))


def language_by_eld(texts: list[str]) -> list[str | None]:
    """Codes by Nito-ELD, whose data and method (n-grams with weights) are its own."""
    from eld import LanguageDetector

    detector = LanguageDetector()
    return [detector.detect(text).language for text in texts]


def repetition_by_definition(text: str) -> dict[str, float]:
    """Gopher's shares by marking characters, with every pair compared: slow and plain."""
    shares: dict[str, float] = {}
    for name, parts in (("line", text.split("\n")), ("paragraph", re.split(r"\n\s*\n", text))):
        kept = [part.strip() for part in parts if part.strip()]
        repeated = [part for idx, part in enumerate(kept) if part in kept[:idx]]
        shares[f"duplicate_{name}s"] = len(repeated) / len(kept) if kept else 0.0
        shares[f"duplicate_{name}_characters"] = sum(map(len, repeated)) / sum(map(len, kept)) if kept else 0.0
    words = text.split()
    letters = [(idx, place) for idx, word in enumerate(words) for place in range(len(word))]
    for size in range(2, 11):
        grams = [words[idx : idx + size] for idx in range(len(words) - size + 1)]
        places = [[other for other, gram in enumerate(grams) if gram == wanted] for wanted in grams]
        most = max((len(found) for found in places), default=0)
        if size <= 4:
            name = f"top_{size}gram_characters"
            candidates = [found for found in places if len(found) == most and most > 1]
        else:
            name = f"duplicate_{size}gram_characters"
            candidates = [[idx for idx, found in enumerate(places) if len(found) > 1]]
        marked = [{word for start in found for word in range(start, start + size)} for found in candidates]
        shares[name] = max(
            (sum(idx in covered for idx, _ in letters) / len(letters) for covered in marked if letters), default=0.0
        )
    return shares


def train_tokenizer(path: Path, texts: list[str]) -> Path:
    """A small byte-pair tokenizer, written as `tokenizer.json`."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.enable_truncation(8)  # what operators have to ignore
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(path))
    return path


def prompt_by_definition(row: Mapping[str, Any], *, tokenizer: Path, budget: int, least: float) -> tuple[str, int, int]:
    """The template "a picture of {caption}, {tags}." with every prefix tried, the longest first."""
    sure = zip(row["tags"] or [], row["tags__confidence"] or [])
    tags = [tag for tag, _ in sorted((pair for pair in sure if pair[1] >= least), key=lambda pair: -pair[1])]
    units = [f"a picture of {row['caption']}"] if row["caption"] else []
    for tag in tags:
        units.append(f", {tag}" if units else tag)
    for number in range(len(units), -1, -1):
        prompt = "".join(units[:number]) + ("." if number else "")
        count = tokens_by_merging(tokenizer, prompt)
        if count <= budget:
            return prompt, count, len(units) - number
    raise AssertionError("the empty prompt has no tokens")


def tokens_by_merging(tokenizer: Path, text: str) -> int:
    """How many tokens byte-pair encoding by hand gives."""
    return len(merged_ids(tokenizer, text))


def merged_ids(tokenizer: Path, text: str) -> list[int]:
    """Byte-pair encoding by hand: the best merge first until none is left (Sennrich et al., 2016)."""
    document: dict[str, Any] = json.loads(tokenizer.read_text(encoding="utf-8"))
    merges = {tuple(pair): rank for rank, pair in enumerate(document["model"]["merges"])}
    vocabulary = document["model"]["vocab"]
    ids: list[int] = []
    for word in re.findall(r"\w+|[^\w\s]+", text):
        parts = list(word)
        while True:
            ranks = [merges.get(pair, len(merges)) for pair in pairwise(parts)]
            best = min(ranks, default=len(merges))
            if best == len(merges):
                break
            spot = ranks.index(best)
            parts[spot : spot + 2] = [parts[spot] + parts[spot + 1]]
        ids += [vocabulary.get(part, vocabulary["[UNK]"]) for part in parts]
    return ids
