"""The short form of the proofs of the order; `make order` runs the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from proofs.order.__main__ import PROOFS

_ROOT = Path(__file__).resolve().parents[2]


def test_proofs_of_the_order_find_no_violation() -> None:
    """In one process of their own, because they fork; the seed is fixed, so that a failure is not a matter of luck."""
    command = [sys.executable, "-m", "proofs.order", "--quick", "--jobs", "2", "--seed", "20261121"]
    ran = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=500)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert all(f"\n{proof} " in ran.stdout for proof in PROOFS)
