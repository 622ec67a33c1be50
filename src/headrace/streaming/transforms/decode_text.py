"""Bytes to text."""

from __future__ import annotations

import codecs
import unicodedata
from dataclasses import dataclass
from typing import Literal

from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.sample_fields import field_bytes, field_error, field_value

__all__ = ["DecodeText"]


@dataclass(frozen=True, slots=True)
class DecodeText:
    """The bytes of a text become a string; strings stay, so that columns of both kinds will do.

    Attributes:
        field: Holds the bytes or the string, and gets the string.
        encoding: Of the bytes; a byte order mark of UTF-8 is left out.
        errors: "strict" refuses bytes that are no text of this encoding, "replace" puts U+FFFD in their place.
        normal_form: A Unicode normal form, after which equal-looking texts are equal; None leaves text as it is.
        is_stripped: Leave out white space at both ends.

    Raises:
        InvalidInput: When called on a sample whose field holds no text of this encoding.
    """

    field: str = "text"
    encoding: str = "utf-8"
    errors: Literal["strict", "replace"] = "strict"
    normal_form: Literal["NFC", "NFKC", "NFD", "NFKD"] | None = None
    is_stripped: bool = False

    def __post_init__(self) -> None:
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise InvalidInput(
                f"encoding is {self.encoding!r}: expected one that Python knows, such as 'utf-8'"
            ) from None
        if self.errors not in ("strict", "replace"):
            raise InvalidInput(f"errors is {self.errors!r}: expected 'strict' or 'replace'")
        if self.normal_form not in (None, "NFC", "NFKC", "NFD", "NFKD"):
            raise InvalidInput(f"normal_form is {self.normal_form!r}: expected 'NFC', 'NFKC', 'NFD' or 'NFKD'")

    def __call__(self, sample: Sample) -> Sample:
        """The sample with a string."""
        text = field_value(sample, self.field)
        if not isinstance(text, str):
            data = field_bytes(sample, self.field)
            try:
                text = data.decode(self.encoding, self.errors)
            except UnicodeDecodeError as error:
                raise field_error(
                    sample,
                    self.field,
                    f"is no {self.encoding} text: {error.reason} at byte {error.start}; name its encoding=, or put "
                    "U+FFFD where it is damaged: errors='replace'",
                ) from error
            text = text.removeprefix("\ufeff")
        if self.normal_form is not None:
            text = unicodedata.normalize(self.normal_form, text)
        return {**sample, self.field: text.strip() if self.is_stripped else text}
