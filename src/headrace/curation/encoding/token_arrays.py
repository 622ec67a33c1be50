"""A text as the ids and the mask that a model takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headrace.curation.results import OperatorUnusable
from headrace.curation.tokenizer_files import open_tokenizer
from headrace.errors import HeadraceError, MissingExtra

__all__ = ["TokenArrays"]


@dataclass(frozen=True, slots=True)
class TokenArrays:
    """How texts are prepared; all have one length, so that no text sees how long its neighbours are.

    Attributes:
        length: Tokens, special ones counted.
        pad_id: Fills up behind.
        is_cut: Longer texts are cut as the tokenizer cuts, special tokens kept; else they fail.
    """

    tokenizer: Path
    digest: str
    length: int
    pad_id: int
    is_cut: bool
    operator: str

    def arrays(self, texts: list[str | None]) -> list[dict[str, NDArray[Any]] | str | None]:
        """For each text `input_ids`, `attention_mask` and `token_type_ids`, int64 [length]; or why there are none.

        Raises:
            OperatorUnusable: The tokenizer cannot be read, or has another digest.
            MissingExtra: The library is not installed.
        """
        try:
            encoder = open_tokenizer(self.tokenizer, digest=self.digest, operator=self.operator)
        except MissingExtra:
            raise
        except HeadraceError as error:
            raise OperatorUnusable(error.message) from error
        encodings = iter(encoder.encode_batch([text for text in texts if text is not None]))
        found: list[dict[str, NDArray[Any]] | str | None] = []
        for text in texts:
            if text is None:
                found.append(None)
                continue
            encoding = next(encodings)
            ids, kinds, is_special = encoding.ids, encoding.type_ids, encoding.special_tokens_mask
            if len(ids) > self.length:
                if not self.is_cut:
                    found.append(
                        f"it has {len(ids)} tokens, and the model takes {self.length}; shorten it, or set truncate"
                    )
                    continue
                kept = _cut(is_special, self.length)
                ids, kinds = [ids[idx] for idx in kept], [kinds[idx] for idx in kept]
            found.append(self._padded(ids, kinds))
        return found

    def _padded(self, ids: list[int], kinds: list[int]) -> dict[str, NDArray[Any]]:
        padding = self.length - len(ids)
        return {
            "input_ids": np.array(ids + [self.pad_id] * padding, np.int64),
            "attention_mask": np.array([1] * len(ids) + [0] * padding, np.int64),
            "token_type_ids": np.array(kinds + [0] * padding, np.int64),
        }


def _cut(is_special: list[int], length: int) -> list[int]:
    """Places that stay: all special tokens at the end, and as many of the others from the front as fit."""
    num_last = 0
    while num_last < min(len(is_special), length) and is_special[-1 - num_last]:
        num_last += 1
    return [*range(length - num_last), *range(len(is_special) - num_last, len(is_special))]
