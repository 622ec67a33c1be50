"""Texts as sets of shingles: runs of so many words or characters, as hashes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.curation.dedup.mixing import drawn_numbers, mixed
from headrace.curation.row_choice import id_hashes

__all__ = ["ShingleUnit", "Shingles", "compared_texts", "shingles_of"]

ShingleUnit = Literal["words", "characters"]


@dataclass(frozen=True, slots=True)
class Shingles:
    """Shingles of texts one after another.

    Attributes:
        hashes: [num_shingles]; a shingle that a text has twice is there twice.
        offsets: Where those of each text begin, [num_texts + 1].
    """

    hashes: NDArray[np.uint32]
    offsets: NDArray[np.int64]


def compared_texts(texts: pa.Array, *, ignore_case: bool) -> pa.Array:
    """Texts as they are compared, [num_texts]: in Unicode normal form C, in lower case if asked for; null is empty."""
    found = texts.cast(pa.large_string()).fill_null("")
    if not pc.all(pc.string_is_ascii(found)).as_py():  # normalising costs as much as all else, and ASCII is normal
        found = pc.utf8_normalize(found, form="NFC")
    return pc.utf8_lower(found) if ignore_case else found


def shingles_of(
    texts: pa.Array,  # [num_texts], from `compared_texts`
    *,
    unit: ShingleUnit,
    size: int,
) -> Shingles:
    """The shingles of texts.

    Words are what Unicode's white space separates. A text with fewer than `size` words or characters has one shingle
    of all; one without any has none.
    """
    tokens, offsets = _words(texts) if unit == "words" else _characters(texts)
    return _runs(tokens, offsets, size)


def _words(texts: pa.Array) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    lists = pc.utf8_split_whitespace(texts)
    words = lists.flatten().dictionary_encode()
    hashes = id_hashes(words.dictionary)  # [num_different_words]
    indices = words.indices.to_numpy(zero_copy_only=False)
    counts = pc.list_value_length(lists).to_numpy(zero_copy_only=False)  # [num_texts]
    # White space at an end leaves an empty word there.
    is_word = pc.not_equal(words.dictionary, "").to_numpy(zero_copy_only=False)
    if not is_word.all():
        stays = is_word[indices]  # [num_words]
        ends = np.concatenate([[0], np.cumsum(stays)])[np.cumsum(counts)]
        counts = np.diff(ends, prepend=0)
        indices = indices[stays]
    return hashes[indices], np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _characters(texts: pa.Array) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    counts = pc.utf8_length(texts).to_numpy(zero_copy_only=False)  # [num_texts], code points
    buffers: Any = texts.buffers()
    ends = np.frombuffer(buffers[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = memoryview(buffers[2])[int(ends[0]) : int(ends[-1])] if buffers[2] is not None else b""
    points = np.frombuffer(str(data, "utf-8").encode("utf-32-le"), dtype=np.uint32)
    return mixed(points.astype(np.uint64) + np.uint64(1)), np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _runs(tokens: NDArray[np.uint64], offsets: NDArray[np.int64], size: int) -> Shingles:
    """Runs of `size` tokens that do not cross from one text into the next."""
    lengths = np.diff(offsets)  # [num_texts]
    weights = drawn_numbers(size, seed=0) | np.uint64(1)  # by place, so that the order of tokens counts
    num_starts = max(len(tokens) - size + 1, 0)
    sums = np.zeros(len(tokens), dtype=np.uint64)
    for place in range(size):
        sums[:num_starts] += tokens[place : place + num_starts] * weights[place]
    counts = np.maximum(lengths - size + 1, np.minimum(lengths, 1))  # shingles of each text
    for text in np.flatnonzero((lengths > 0) & (lengths < size)) if size > 1 else ():
        start, length = int(offsets[text]), int(lengths[text])
        sums[start] = (tokens[start : start + length] * weights[:length]).sum(dtype=np.uint64) + np.uint64(length)
    ends = np.concatenate([[0], np.cumsum(counts)])  # [num_texts + 1]
    starts = np.arange(ends[-1]) + np.repeat(offsets[:-1] - ends[:-1], counts)  # first token of each shingle
    return Shingles((mixed(sums[starts]) >> np.uint64(32)).astype(np.uint32), ends)
