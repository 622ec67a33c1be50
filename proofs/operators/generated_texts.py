"""Texts of known languages, and texts that repeat themselves, all from a seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

__all__ = ["PASSAGES", "language_texts", "repeating_texts", "wild_texts"]

PASSAGES: dict[str, str] = json.loads(Path(__file__).with_name("passages.json").read_text(encoding="utf-8"))
"""One sentence of our own in several languages, by ISO 639-1 code."""


def language_texts(num_texts: int, *, seed: int) -> Iterator[tuple[str, str]]:
    """(language, text): stretches of 8 to 20 words of a passage, so that grammar and endings stay."""
    random = np.random.default_rng(seed)
    codes = sorted(PASSAGES)
    for idx in range(num_texts):
        code = codes[idx % len(codes)]
        words = PASSAGES[code].split()
        start = int(random.integers(0, max(1, len(words) - 8)))
        yield code, " ".join(words[start : start + int(random.integers(8, 21))])


def repeating_texts(num_texts: int, *, seed: int) -> Iterator[str]:
    """Lines and paragraphs of few words, so that most n-grams come again; some texts are empty or blank."""
    random = np.random.default_rng(seed)
    for idx in range(num_texts):
        if idx % 25 == 0:
            yield ["", " \n\n ", "word"][(idx // 25) % 3]
            continue
        vocabulary = [f"w{number}" * int(random.integers(1, 3)) for number in range(int(random.integers(2, 30)))]
        lines = [
            " ".join(random.choice(vocabulary, int(random.integers(0, 14)))) for _ in range(int(random.integers(1, 8)))
        ]
        chosen = random.choice(lines, int(random.integers(1, 9)))
        yield "".join(str(line) + ["\n", "\n\n", "\n \n"][int(random.integers(0, 3))] for line in chosen)


def wild_texts(num_texts: int, *, seed: int) -> Iterator[str]:
    """Any code points: combining marks, white space of all kinds, astral letters."""
    random = np.random.default_rng(seed)
    spaces = [0x20, 0x09, 0x0A, 0x0B, 0x1C, 0x1F, 0x85, 0xA0, 0x1680, 0x2003, 0x2028, 0x2029, 0x200B, 0x3000]
    rare = [*spaces, 0x301, 0x61]
    for _ in range(num_texts):
        codes = [
            int(random.choice(rare)) if random.random() < 0.5 else int(random.integers(1, 0x11_0000))
            for _ in range(int(random.integers(0, 60)))
        ]
        yield "".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000)
