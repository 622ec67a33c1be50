"""A small tokenizer.json in the format of Hugging Face's tokenizers, one token a word; models bring their own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["write_word_tokenizer"]

_UNKNOWN = "[UNK]"


def write_word_tokenizer(path: Path, words: Sequence[str]) -> None:
    """Write a tokenizer that knows these words and the comma; any other word is one unknown token."""
    vocabulary = {word: idx for idx, word in enumerate(dict.fromkeys([_UNKNOWN, ",", *words]))}
    document: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": _UNKNOWN},
    }
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
