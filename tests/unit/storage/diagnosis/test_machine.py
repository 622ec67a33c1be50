"""This machine, and machines as /proc and /sys describe them."""

from __future__ import annotations

from pathlib import Path

import headrace
from headrace.storage.diagnosis.diagnosing import diagnose
from headrace.storage.diagnosis.machine import machine_checks
from headrace.storage.diagnosis.results import CheckResult
from headrace.storage.diagnosis.running import run_checks

_MEMORY = "MemTotal:       16000000 kB\nMemFree:  1 kB\nMemAvailable:   {} kB\n"


def _run(system: Path, files: dict[str, str]) -> dict[str, CheckResult]:
    for name, text in files.items():
        path = system / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {result.name: result for result in run_checks(machine_checks(system=system), is_read_only=True)}


def test_this_machine_runs_the_tests_and_so_is_fit() -> None:
    diagnosis = diagnose()
    assert diagnosis.is_ok
    assert diagnosis.uri is None
    assert diagnosis["headrace"].value == headrace.__version__
    assert {"obstore", "pyarrow", "duckdb"} <= set(diagnosis["packages"].measured)
    assert {"video", "audio", "pandas"} <= set(diagnosis["extras"].measured)


def test_limits_of_a_container_are_told(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": _MEMORY.format(8_000_000),
        "sys/fs/cgroup/memory.max": "4000000000\n",
        "sys/fs/cgroup/cpu.max": "50000 100000\n",
    }
    found = _run(tmp_path, files)
    assert found["memory"].finding.value == "16.4 GB, of which the container may use 4 GB"
    assert found["processors"].finding.value.endswith("of which the container may use 0.5")


def test_little_memory_warns(tmp_path: Path) -> None:
    found = _run(tmp_path, {"proc/meminfo": _MEMORY.format(500_000), "sys/fs/cgroup/memory.max": "max\n"})
    assert found["memory"].status == "warn"


def test_system_that_does_not_tell(tmp_path: Path) -> None:
    assert _run(tmp_path, {})["memory"].status == "unknown"
