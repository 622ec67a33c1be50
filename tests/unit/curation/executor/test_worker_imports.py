"""What a worker process imports before its first task: each one pays for it, and so does each crash."""

from __future__ import annotations

import subprocess
import sys


def test_worker_does_without_duckdb_and_torch() -> None:
    program = "import sys, headrace.curation.executor.worker; print({'duckdb', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
