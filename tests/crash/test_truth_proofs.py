"""The short form of each comparison with truth; `make truth` runs the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from proofs.truth.__main__ import PROOFS

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("proof", PROOFS)
def test_proof_finds_no_violation(proof: str) -> None:
    """In a process of its own, because it forks; the seed is fixed, so that a failure is not a matter of luck."""
    command = [sys.executable, "-m", "proofs.truth", "--quick", "--jobs", "1", "--seed", "20261122", proof]
    ran = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=300)
    if "skipped: " in ran.stdout:
        pytest.skip(ran.stdout.rpartition("skipped: ")[2].strip())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"\n{proof} " in ran.stdout
