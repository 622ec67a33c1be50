"""Checks in order: what failed blocks what needs it, errors are findings."""

from __future__ import annotations

import pytest

from headrace.errors import Unavailable
from headrace.storage.diagnosis.results import Diagnosis, Finding
from headrace.storage.diagnosis.running import Check, run_checks


def _raise(error: Exception) -> Finding:
    raise error


def test_check_is_skipped_when_its_ground_failed_or_was_skipped() -> None:
    ran = []
    checks = [
        Check("a", lambda: Finding("fail", "broken")),
        Check("b", lambda: ran.append("b") or Finding("ok", ""), needs=("a",)),  # type: ignore[func-returns-value]
        Check("c", lambda: ran.append("c") or Finding("ok", ""), needs=("b",)),  # type: ignore[func-returns-value]
        Check("d", lambda: Finding("warn", ""), needs=("not in this list",)),
        Check("e", lambda: Finding("ok", ""), needs=("d",)),
    ]
    results = run_checks(checks, is_read_only=False)
    assert [(result.name, result.status) for result in results] == [
        ("a", "fail"),
        ("b", "skip"),
        ("c", "skip"),
        ("d", "warn"),
        ("e", "ok"),
    ]
    assert results[1].finding.value == "not tried: see a"
    assert ran == []


def test_writing_checks_do_not_run_read_only() -> None:
    checks = [Check("write", lambda: _raise(AssertionError()), is_writing=True)]
    (result,) = run_checks(checks, is_read_only=True)
    assert (result.status, result.finding.value) == ("skip", "not tried: read only")


def test_errors_become_findings() -> None:
    checks = [
        Check("store", lambda: _raise(Unavailable("no answer. Trying again is safe"))),
        Check("disk", lambda: _raise(OSError(28, "No space left on device"))),
    ]
    store, disk = run_checks(checks, is_read_only=False)
    assert (store.status, store.finding.value) == ("fail", "unavailable")
    assert store.finding.remedy == "no answer. Trying again is safe"
    assert (disk.status, disk.finding.value) == ("fail", "No space left on device")


def test_diagnosis_is_ok_unless_something_failed() -> None:
    def diagnosis(finding: Finding) -> Diagnosis:
        return Diagnosis("here", False, run_checks([Check("a", lambda: finding)], is_read_only=False))

    assert diagnosis(Finding("warn", "")).is_ok
    assert diagnosis(Finding("unknown", "")).is_ok
    failed = diagnosis(Finding("fail", "x", remedy="do y"))
    assert not failed.is_ok
    assert failed["a"].remedy == "do y"
    with pytest.raises(LookupError, match="there are a"):
        failed["b"]
    assert failed.to_json() == {
        "uri": "here",
        "read_only": False,
        "ok": False,
        "checks": [
            {"name": "a", "status": "fail", "value": "x", "detail": None, "remedy": "do y", "measured": {}},
        ],
    }
