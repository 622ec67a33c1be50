"""What a proof says when it is done: how often it looked, and what it found wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

__all__ = ["CaseResult", "Outcome", "Proof"]


@dataclass(slots=True)
class CaseResult:
    """One case, as it travels from a worker to the table."""

    case: str
    runs: int = 0
    violations: list[str] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)  # summed over the cases, for the notes of the proof

    def count(self, name: str, amount: float = 1) -> None:
        """Add to one of the numbers that the proof prints."""
        self.counts[name] = self.counts.get(name, 0) + amount

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> CaseResult:
        return cls(document["case"], document["runs"], document["violations"], document["counts"])


@dataclass(slots=True)
class Outcome:
    """One line of the table."""

    proof: str
    runs: int = 0
    violations: list[tuple[str, str]] = field(default_factory=list)  # (case, what was wrong)
    seconds: float = 0.0
    skipped: str | None = None  # why it did not run
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was wrong; a proof that ran nothing and does not say why is not clean."""
        return not self.violations and (self.runs > 0 or self.skipped is not None)


class Proof(Protocol):
    """A module of this folder. A case is a name; the same case and seed do the same again."""

    def cases(self, *, is_full: bool) -> list[str]:
        """What to run; cases are dealt to worker processes."""
        ...

    def check(self, case: str, *, seed: int) -> CaseResult:
        """Run one case in a forked process that has no threads."""
        ...

    def skip_reason(self) -> str | None:
        """Why this machine cannot run it, or None."""
        ...

    def notes(self, counts: dict[str, float]) -> list[str]:
        """Lines below the table, from the summed counts."""
        ...
