"""Tokenizers of models: local files, opened once in a process."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from headrace.errors import InvalidInput, MissingExtra, NotFound

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["load_tokenizer", "open_tokenizer"]


def open_tokenizer(path: Path, *, digest: str, operator: str) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`, without the truncation and padding that it may ask for.

    Args:
        digest: BLAKE3 of the file in hex; empty: any.
        operator: Who asks, for messages.

    Raises:
        NotFound: The file cannot be read.
        InvalidInput: It has another digest, or is no tokenizer.
        MissingExtra: The library is not installed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFound(f"{operator}: the tokenizer {str(path)!r} cannot be read: {error}") from error
    found = blake3(content).hexdigest()
    if digest and digest.removeprefix("blake3:").lower() != found:
        raise InvalidInput(
            f"{operator}: the file {str(path)!r} has the digest {found}, and the recipe declares {digest}; "
            "use the file that it was written for, or declare the new digest"
        )
    return load_tokenizer(content, str(path), operator)


@functools.lru_cache(maxsize=4)
def load_tokenizer(content: bytes, name: str, operator: str) -> Tokenizer:
    """Read-only once it is made; a large one takes a second to load.

    Raises:
        MissingExtra: The library is not installed.
        InvalidInput: The file is no tokenizer.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtra(f"{operator} needs tokenizers: pip install 'headrace[tokens]'") from error
    try:
        loaded: Tokenizer = Tokenizer.from_str(content.decode())
    except Exception as error:
        # The library raises plain Exception for whatever is wrong with the file.
        raise InvalidInput(
            f"{operator}: {name!r} is no tokenizer that the library reads ({error}); expected a tokenizer.json"
        ) from error
    loaded.no_truncation()
    loaded.no_padding()
    return loaded
