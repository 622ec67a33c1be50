"""How long texts are."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from headrace.curation.operator import operator

__all__ = ["text_length"]

# What Python's str.split() takes for white space: category Z and the control characters that separate.
_WORD = r"[^\p{Z}\t-\r\x1c-\x1f\x85]+"


@operator(
    name="text.length",
    version=1,
    outputs={"characters": pa.int64(), "words": pa.int64(), "bytes": pa.int64()},
    batch=True,
    library="pyarrow",
    oracle="python",
    gil_free=True,
)
def text_length(
    text: pa.Array,  # [num_rows], text
) -> dict[str, pa.Array]:  # [num_rows] each
    """Characters, words and bytes of a text; null gives null.

    Characters are Unicode code points: a letter with a combining accent counts as two, the same letter as one code
    point as one; nothing is normalised. Words are what stands between white space, as Python's `str.split()` finds
    them, which says little where a script writes no spaces. Bytes are those of UTF-8.
    """
    texts = text.cast(pa.large_string())
    return {
        "characters": pc.utf8_length(texts),
        "words": pc.count_substring_regex(texts, pattern=_WORD),
        "bytes": pc.binary_length(texts),
    }
