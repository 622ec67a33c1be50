"""Runs checks in order: one whose ground has failed is skipped, and an error is a finding like any other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.errors import HeadraceError
from headrace.storage.diagnosis.results import CheckResult, Finding

__all__ = ["Check", "run_checks"]


@dataclass(frozen=True, slots=True)
class Check:
    """One question. `needs` names checks before it; one that failed or was skipped makes the answer pointless."""

    name: str
    run: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    is_writing: bool = False


def run_checks(checks: Sequence[Check], *, is_read_only: bool) -> list[CheckResult]:
    """The results in the order of the checks; no `HeadraceError` or `OSError` leaves here."""
    results: dict[str, CheckResult] = {}
    for check in checks:
        results[check.name] = CheckResult(check.name, _finding(check, results, is_read_only=is_read_only))
    return list(results.values())


def _finding(check: Check, results: dict[str, CheckResult], *, is_read_only: bool) -> Finding:
    if is_read_only and check.is_writing:
        return Finding("skip", "not tried: read only")
    for name in check.needs:
        if name in results and results[name].status in {"fail", "skip"}:
            return Finding("skip", f"not tried: see {name}")
    try:
        return check.run()
    except HeadraceError as error:
        # Our messages end with what to do.
        return Finding("fail", error.code, remedy=error.message)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return Finding("fail", reason, detail=str(error), remedy="Ask whoever runs this machine why it refuses.")
