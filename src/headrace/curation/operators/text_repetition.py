"""How much of a text says the same again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from headrace.curation.operator import operator

__all__ = ["text_repetition"]

_TOP: Final = (2, 3, 4)
_ALL: Final = (5, 6, 7, 8, 9, 10)
_PARAGRAPH_END = re.compile(r"\n\s*\n")

_OUTPUTS: Final = (
    "duplicate_lines",
    "duplicate_line_characters",
    "duplicate_paragraphs",
    "duplicate_paragraph_characters",
    *(f"top_{size}gram_characters" for size in _TOP),
    *(f"duplicate_{size}gram_characters" for size in _ALL),
)


@operator(
    name="text.repetition",
    version=1,
    outputs={name: pa.float64() for name in _OUTPUTS},
    batch=True,
    library="python",
    oracle="definition",
)
def text_repetition(
    text: pa.Array,  # [num_rows], text
) -> dict[str, pa.Array]:  # [num_rows] each
    """Shares of repeated lines, paragraphs and word n-grams, 0 to 1, by the rules of MassiveText.

    Lines and paragraphs are stripped, empty ones do not count; one that came before is a duplicate, so of three equal
    lines two are. Their characters are counted as a share of those of all lines or paragraphs. Words are what stands
    between white space. `top_Ngram_characters` is the share of the words' characters within the occurrences of the
    N-gram that occurs most often, if it occurs twice; of several such, the largest share. `duplicate_Ngram_characters`
    is the share within any N-gram that occurs twice or more. No character counts twice, however n-grams overlap. A text
    without words gives 0, null gives null.

    MassiveText drops a text with `duplicate_lines` above 0.30, `duplicate_paragraphs` 0.30,
    `duplicate_line_characters` 0.20, `duplicate_paragraph_characters` 0.20, `top_2gram` 0.20, `top_3gram` 0.18,
    `top_4gram` 0.16, `duplicate_5gram` 0.15, then one hundredth less for each up to `duplicate_10gram` 0.10.

    Source: Rae et al., Scaling Language Models: Methods, Analysis and Insights from Training Gopher, 2021, table A1.
    """
    rows = [None if value is None else _shares(value) for value in text.to_pylist()]
    return {
        name: pa.array([None if row is None else row[idx] for row in rows], pa.float64())
        for idx, name in enumerate(_OUTPUTS)
    }


def _shares(text: str) -> list[float]:
    """One value for each name in `_OUTPUTS`."""
    words = text.split()
    # Words as small numbers: n-grams of them are hashed and compared faster.
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(word, len(numbers)) for word in words]
    lengths = [len(word) for word in words]
    total = sum(lengths)
    shares = [*_repeated(text.split("\n")), *_repeated(_PARAGRAPH_END.split(text))]
    for size in (*_TOP, *_ALL):
        grams = list(zip(*(codes[start:] for start in range(size))))
        counts = Counter(grams)
        highest = max(counts.values(), default=0)
        if highest < 2:
            shares.append(0.0)
        elif size in _TOP:
            top = {gram for gram, count in counts.items() if count == highest}
            shares.append(_top_share(grams, top, lengths, size) / total)
        else:
            repeated = [idx for idx, gram in enumerate(grams) if counts[gram] > 1]
            shares.append(_covered(repeated, lengths, size) / total)
    return shares


def _repeated(parts: Sequence[str]) -> tuple[float, float]:
    """Share of the parts that came before, and the share of their characters."""
    seen: set[str] = set()
    num_parts = num_repeated = characters = repeated_characters = 0
    for part in map(str.strip, parts):
        if not part:
            continue
        num_parts += 1
        characters += len(part)
        if part in seen:
            num_repeated += 1
            repeated_characters += len(part)
        seen.add(part)
    return (num_repeated / num_parts, repeated_characters / characters) if num_parts else (0.0, 0.0)


def _top_share(grams: Sequence[tuple[int, ...]], top: set[tuple[int, ...]], lengths: Sequence[int], size: int) -> int:
    """Characters within the occurrences of that one of the top n-grams that has most."""
    places: dict[tuple[int, ...], list[int]] = {gram: [] for gram in top}
    for idx, gram in enumerate(grams):
        if gram in places:
            places[gram].append(idx)
    return max(_covered(found, lengths, size) for found in places.values())


def _covered(starts: Sequence[int], lengths: Sequence[int], size: int) -> int:
    """Characters of the words within n-grams that start at these words, ascending; none counts twice."""
    characters = end = 0
    for start in starts:
        characters += sum(lengths[max(start, end) : start + size])
        end = start + size
    return characters
