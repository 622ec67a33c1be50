"""In which language texts are written."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
from pydantic import Field

from headrace.curation.operator import operator
from headrace.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

__all__ = ["text_language"]


@operator(
    name="text.language",
    version=1,
    outputs={"language": pa.string(), "language_confidence": pa.float64()},
    batch=True,
    library="py3langid",
    oracle="eld",
    memory_bytes=100_000_000,
)
def text_language(
    text: pa.Array,  # [num_rows], text
    *,
    languages: list[str] | None = None,
    max_characters: Annotated[int, Field(ge=1)] = 2_000,
) -> dict[str, pa.Array]:  # [num_rows] each
    """The likeliest language as an ISO 639-1 code, and how likely it is among all that are considered, 0 to 1.

    By py3langid (extra `language`), which carries its weights: the same version gives the same answer without network.
    Null, and a text without any letter, give null. Short texts are guessed: below some twenty characters look at the
    confidence, which is rounded to six decimals.

    Source: Lui and Baldwin, langid.py: An Off-the-shelf Language Identification Tool, ACL 2012.

    Args:
        languages: Codes to choose from; by default all that the library knows. Fewer make short texts surer.
        max_characters: Of each text, from its start; the time grows with them, the answer rarely changes.
    """
    identifier = _identifier(None if languages is None else tuple(languages))
    found: list[str | None] = []
    confidences: list[float | None] = []
    for value in text.to_pylist():
        start = "" if value is None else value[:max_characters]
        if not any(map(str.isalpha, start)):
            found.append(None)
            confidences.append(None)
            continue
        code, confidence = identifier.classify(start)
        found.append(code)
        confidences.append(round(float(confidence), 6))
    return {
        "language": pa.array(found, pa.string()),
        "language_confidence": pa.array(confidences, pa.float64()),
    }


@functools.lru_cache(maxsize=4)
def _identifier(languages: tuple[str, ...] | None) -> LanguageIdentifier:
    """Read-only once it is made, so threads and forked processes may share it; making one takes 0.6 s.

    Raises:
        MissingExtra: py3langid is not installed.
        InvalidInput: A language that it does not know.
    """
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtra("text.language needs py3langid: pip install 'headrace[language]'") from error
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if languages is not None:
        from headrace.schema.near_misses import near_miss_or_known

        unknown = [code for code in languages if code not in identifier.labels]
        if unknown or not languages:
            word = unknown[0] if unknown else ""
            raise InvalidInput(
                f"setting languages of text.language: {word!r} is no language that py3langid knows."
                f"{near_miss_or_known(word, identifier.labels)}"
            )
        identifier.set_languages(list(languages))
    return identifier
