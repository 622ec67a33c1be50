"""How rows of several sources become one row of each identity: a stage `merge`, compiled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

__all__ = [
    "MERGE_FUNCTIONS",
    "MERGE_VERSION",
    "SOURCES",
    "VOTES",
    "MergeFunction",
    "MergeRules",
    "SourceVocabulary",
    "confidence_column",
    "source_column",
    "sources_column",
]

MergeFunction = Literal["weighted_vote", "noisy_or", "best_source", "mean", "max", "min", "first"]

MERGE_FUNCTIONS: Final[tuple[MergeFunction, ...]] = get_args(MergeFunction)

MERGE_VERSION: Final = 1
"""Raised when the same rows are merged otherwise."""

VOTES: Final = frozenset({"weighted_vote", "noisy_or"})

SOURCES: Final = "sources"
"""Column with the sources that have a row of the identity."""


@dataclass(frozen=True, slots=True)
class SourceVocabulary:
    """All values that a source can give of a field: a list, or a file with one in each line."""

    field: str
    source: str
    values: tuple[str, ...] | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRules:
    """What is merged by what.

    Attributes:
        identity: Column with the identity.
        source: Column with the name of the source; None where each source is an input of its own.
        weights: Of each source, ascending by name: the order in which sums are taken.
        functions: Of each merged field, ascending by name.
        vocabularies: Where none is given, a source's vocabulary is what it says anywhere in the table; of fields with
            one value it is everything.
        keep: Further fields that become columns `{source}__{field}`.
        carry: Columns taken as they are from the row of the most trusted source.
    """

    identity: str
    source: str | None
    weights: tuple[tuple[str, float], ...]
    functions: tuple[tuple[str, MergeFunction], ...]
    vocabularies: tuple[SourceVocabulary, ...] = ()
    keep: tuple[str, ...] = ()
    carry: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Their names, ascending."""
        return tuple(name for name, _ in self.weights)

    @property
    def by_trust(self) -> list[int]:
        """Positions in `sources`, the highest weight first, of equal ones the first name."""
        return sorted(range(len(self.weights)), key=lambda idx: (-self.weights[idx][1], self.weights[idx][0]))

    @property
    def voted(self) -> tuple[str, ...]:
        """Fields whose values are voted on."""
        return tuple(field for field, function in self.functions if function in VOTES)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of which every source has a column."""
        return (*(field for field, _ in self.functions), *self.keep)

    def output_names(self) -> Iterator[tuple[str, tuple[str | int, ...]]]:
        """Every column of the result, and which part of the stage asks for it."""
        yield self.identity, ("identity",)
        yield SOURCES, ("merge",)
        for field, function in self.functions:
            yield field, ("merge", field)
            yield sources_column(field), ("merge", field)
            if function in VOTES:
                yield confidence_column(field), ("merge", field)
        for idx, name in enumerate(self.carry):
            yield name, ("carry", idx)
        for source in self.sources:
            for field, _ in self.functions:
                yield source_column(source, field), ("merge", field)
            for idx, field in enumerate(self.keep):
                yield source_column(source, field), ("keep", idx)

    def to_json(self) -> dict[str, Any]:
        """The document that `from_json` reads; without vocabularies, which are looked up before."""
        return {
            "identity": self.identity,
            "source": self.source,
            "weights": [list(pair) for pair in self.weights],
            "functions": [list(pair) for pair in self.functions],
            "keep": list(self.keep),
            "carry": list(self.carry),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> MergeRules:
        """What `to_json` made."""
        return cls(
            identity=document["identity"],
            source=document["source"],
            weights=tuple((name, weight) for name, weight in document["weights"]),
            functions=tuple((field, function) for field, function in document["functions"]),
            keep=tuple(document["keep"]),
            carry=tuple(document["carry"]),
        )


def source_column(source: str, field: str) -> str:
    """What one source says of a field."""
    return f"{source}__{field}"


def confidence_column(field: str) -> str:
    """How sure the values of a field are."""
    return f"{field}__confidence"


def sources_column(field: str) -> str:
    """Which sources the values of a field are from."""
    return f"{field}__sources"
