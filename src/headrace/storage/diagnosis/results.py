"""What a check found, and all that was found of one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CheckResult", "Diagnosis", "Finding", "Measured", "Status"]

Status = Literal["ok", "warn", "fail", "unknown", "skip"]
"""`unknown`: the place does not tell; `skip`: not tried, as something before it failed or nothing may be written."""

Measured = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. No secret ever stands in it."""

    status: Status
    value: str  # a few words: what was measured
    detail: str | None = None  # a sentence on why it matters
    remedy: str | None = None  # what to do, unless all is well
    measured: Measured = field(default_factory=dict)  # the same in numbers; units are in the names


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A finding with the name of its check."""

    name: str
    finding: Finding

    @property
    def status(self) -> Status:
        return self.finding.status

    def to_json(self) -> dict[str, object]:
        """Plain JSON."""
        found = self.finding
        return {
            "name": self.name,
            "status": found.status,
            "value": found.value,
            "detail": found.detail,
            "remedy": found.remedy,
            "measured": dict(found.measured),
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks of a place, or of this machine, in the order in which they ran."""

    uri: str | None  # None: this machine
    is_read_only: bool
    results: Sequence[CheckResult]

    @property
    def is_ok(self) -> bool:
        """Whether nothing failed; warnings and what stayed unknown do not count."""
        return all(result.status != "fail" for result in self.results)

    def __getitem__(self, name: str) -> Finding:
        """The finding of the check of that name."""
        for result in self.results:
            if result.name == name:
                return result.finding
        raise LookupError(f"no check is named {name!r}; there are {', '.join(result.name for result in self.results)}")

    def to_json(self) -> dict[str, object]:
        """Plain JSON."""
        return {
            "uri": self.uri,
            "read_only": self.is_read_only,
            "ok": self.is_ok,
            "checks": [result.to_json() for result in self.results],
        }
