"""How many tokens a model's tokenizer makes of texts."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from headrace.curation.operator import operator
from headrace.curation.tokenizer_files import open_tokenizer

__all__ = ["text_tokens"]

_ROWS_AT_ONCE = 1_000  # encodings take a hundred times the memory of their text


@operator(
    name="text.tokens",
    version=1,
    outputs={"tokens": pa.int64()},
    batch=True,
    library="tokenizers",
    oracle="python",
    gil_free=True,
)
def text_tokens(
    text: pa.Array,  # [num_rows], text
    *,
    tokenizer: Path,
    digest: str = "",
    special_tokens: bool = False,
) -> pa.Array:  # int64 [num_rows]
    """Tokens of a text; null gives null, an empty text 0.

    By Hugging Face's tokenizers (extra `tokens`). The tokenizer is a local file, nothing is downloaded; neither
    truncation nor padding that it may ask for is applied. Its content, not its name, is what results are kept under.

    Args:
        tokenizer: A `tokenizer.json` as Hugging Face's libraries write it.
        digest: BLAKE3 of that file in hex; another file is refused. Empty: any.
        special_tokens: Count those that the tokenizer adds around each text.
    """
    encoder = open_tokenizer(tokenizer, digest=digest, operator="text.tokens")
    texts = text.to_pylist()
    counts: list[int | None] = []
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        part = texts[start : start + _ROWS_AT_ONCE]
        encodings = iter(
            encoder.encode_batch_fast([value for value in part if value is not None], add_special_tokens=special_tokens)
        )
        counts += [None if value is None else len(next(encodings)) for value in part]
    return pa.array(counts, pa.int64())
