"""Dedup and identity of millions of rows stay below a ceiling, each in a process of its own.

What a process holds at its peak is told by the system; inputs are in it, the ceiling is for all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from proofs.outcomes import CaseResult

_CEILINGS_MIB = {
    # About 0.5 KiB of signature and 0.7 KiB of text a row, and what sorting takes.
    "minhash/2000000": 5_120,
    "hamming/10000000": 4_096,
    "identity/1000000": 4_096,
    "semantic/500000": 2_560,
    "minhash/20000": 1_024,
    "hamming/200000": 1_024,
    "identity/20000": 1_024,
    "semantic/10000": 1_024,
}


def cases(*, is_full: bool) -> list[str]:
    """What and how many rows."""
    return list(_CEILINGS_MIB)[:4] if is_full else list(_CEILINGS_MIB)[4:]


def skip_reason() -> str | None:
    """Needs the system's own peak."""
    return None if os.path.exists("/proc/self/status") else "the system does not say what processes held"


def check(case: str, *, seed: int) -> CaseResult:
    """Run one and look at its peak."""
    result = CaseResult(case)
    what, _, count = case.partition("/")
    command = [sys.executable, "-m", "proofs.truth.large_rows", what, count, str(seed)]
    ran = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2], timeout=1_800
    )
    result.runs = 1
    if ran.returncode:
        result.violations.append(f"ended with {ran.returncode}: {ran.stderr[-500:]}")
        return result
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    result.count(f"{what}, {int(count):,} rows: MiB at the peak, of {_CEILINGS_MIB[case]:,}", told["peak_bytes"] >> 20)
    result.count(f"{what}, {int(count):,} rows: processor seconds", told["processor_seconds"])
    if told["peak_bytes"] > _CEILINGS_MIB[case] << 20:
        result.violations.append(f"held {told['peak_bytes'] >> 20:,} MiB, {_CEILINGS_MIB[case]:,} may be")
    if not told["is_right"]:
        result.violations.append(told["said"])
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """Peaks."""
    return [f"{name}: {value:,.0f}" for name, value in counts.items()]
