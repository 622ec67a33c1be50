"""How many tokens a model's tokenizer makes of texts."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from blake3 import blake3

from headrace.curation.operator import operator
from headrace.errors import InvalidInput, MissingExtra, NotFound

if TYPE_CHECKING:
    from tokenizers import Tokenizer

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
    encoder = _open_tokenizer(tokenizer, digest)
    texts = text.to_pylist()
    counts: list[int | None] = []
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        part = texts[start : start + _ROWS_AT_ONCE]
        encodings = iter(
            encoder.encode_batch_fast([value for value in part if value is not None], add_special_tokens=special_tokens)
        )
        counts += [None if value is None else len(next(encodings)) for value in part]
    return pa.array(counts, pa.int64())


def _open_tokenizer(path: Path, digest: str) -> Tokenizer:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFound(f"text.tokens: the tokenizer {str(path)!r} cannot be read: {error}") from error
    found = blake3(content).hexdigest()
    if digest and digest.removeprefix("blake3:").lower() != found:
        raise InvalidInput(
            f"text.tokens: the file {str(path)!r} has the digest {found}, and the recipe declares {digest}; "
            "use the file that it was written for, or declare the new digest"
        )
    return _load_tokenizer(content, str(path))


@functools.lru_cache(maxsize=4)
def _load_tokenizer(content: bytes, name: str) -> Tokenizer:
    """Read-only once it is made; a large one takes a second to load.

    Raises:
        MissingExtra: The library is not installed.
        InvalidInput: The file is no tokenizer.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra("text.tokens needs tokenizers: pip install 'headrace[tokens]'") from error
    try:
        loaded: Tokenizer = Tokenizer.from_str(content.decode())
    except Exception as error:
        # The library raises plain Exception for whatever is wrong with the file.
        raise InvalidInput(
            f"text.tokens: {name!r} is no tokenizer that the library reads ({error}); expected a tokenizer.json"
        ) from error
    loaded.no_truncation()
    loaded.no_padding()
    return loaded
