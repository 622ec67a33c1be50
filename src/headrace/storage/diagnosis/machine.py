"""This machine: Python, what is installed, processors and memory."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from pathlib import Path

from headrace.storage.diagnosis.results import Finding, Measured
from headrace.storage.diagnosis.running import Check
from headrace.units import format_bytes

__all__ = ["machine_checks"]

_PACKAGE = "headrace"
_OLDEST_PYTHON = (3, 11)
_LITTLE_MEMORY_BYTES = 1_000_000_000
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)[^;]*(?:;.*extra\s*==\s*['\"]([^'\"]+)['\"])?")


def machine_checks(*, system: Path = Path("/")) -> list[Check]:
    """Checks that need no place; `system` is where /proc and /sys are found."""
    return [
        Check("python", _python),
        Check("headrace", lambda: Finding("ok", version(_PACKAGE), measured={"version": version(_PACKAGE)})),
        Check("packages", _packages),
        Check("extras", _extras),
        Check("processors", lambda: _processors(system)),
        Check("memory", lambda: _memory(system)),
    ]


def _python() -> Finding:
    found = platform.python_version()
    text = f"{found}, {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("fail", text, remedy="Headrace needs Python 3.11 or newer.", measured={"version": found})
    return Finding("ok", text, measured={"version": found, "executable": sys.executable})


def _packages() -> Finding:
    """The packages that Headrace cannot work without."""
    versions = {name: _installed(name) for name in _requirements(distribution(_PACKAGE)).get(None, [])}
    missing = [name for name, found in versions.items() if found is None]
    if missing:
        return Finding(
            "fail", f"missing: {', '.join(missing)}", remedy=f"pip install {' '.join(missing)}", measured=versions
        )
    return Finding("ok", f"all {len(versions)} are installed", measured=versions)


def _extras() -> Finding:
    extras = {
        extra: all(_installed(name) is not None for name in names)
        for extra, names in _requirements(distribution(_PACKAGE)).items()
        if extra not in (None, "all")
    }
    there = sorted(extra for extra, is_there in extras.items() if is_there)
    absent = sorted(set(extras) - set(there))
    value = ", ".join(there) or "none"
    detail = f"Not installed: {', '.join(absent)}. To add one: pip install 'headrace[{absent[0]}]'" if absent else None
    return Finding("ok", value, detail=detail, measured=extras)


def _requirements(package: Distribution) -> dict[str | None, list[str]]:
    """Names of the packages by extra; None: those that are always needed."""
    names: dict[str | None, list[str]] = {}
    for text in package.requires or []:
        if match := _REQUIREMENT.match(text):
            names.setdefault(match[2], []).append(match[1])
    return names


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processors(system: Path) -> Finding:
    total = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else total
    quota = _processor_quota(system)
    measured: Measured = {"processors": total, "usable": usable, "quota": quota}
    if quota is not None and quota < usable:
        return Finding(
            "ok", f"{usable}, of which the container may use {quota:g}",
            detail="Choose numbers of threads and workers by the second number.", measured=measured,
        )  # fmt: skip
    return Finding("ok", str(usable) if usable == total else f"{usable} of {total}", measured=measured)


def _processor_quota(system: Path) -> float | None:
    # https://docs.kernel.org/admin-guide/cgroup-v2.html: "$MAX $PERIOD" in microseconds, or "max"
    words = _read(system / "sys/fs/cgroup/cpu.max").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _memory(system: Path) -> Finding:
    kilobytes = dict(re.findall(r"^(\w+):\s+(\d+) kB", _read(system / "proc/meminfo"), re.MULTILINE))
    if "MemTotal" not in kilobytes or "MemAvailable" not in kilobytes:
        return Finding("unknown", "this system does not tell")
    total, available = int(kilobytes["MemTotal"]) * 1024, int(kilobytes["MemAvailable"]) * 1024
    limit_text = _read(system / "sys/fs/cgroup/memory.max").strip()
    limit = int(limit_text) if limit_text.isdigit() else None
    room = available if limit is None else min(available, limit)
    measured: Measured = {"total_bytes": total, "available_bytes": available, "container_limit_bytes": limit}
    value = f"{format_bytes(room)} of {format_bytes(total)} free"
    if limit is not None and limit < total:
        value = f"{format_bytes(total)}, of which the container may use {format_bytes(limit)}"
    if room < _LITTLE_MEMORY_BYTES:
        return Finding(
            "warn", value, detail="Commits of large tables and media need about 1 GB.",
            remedy="End other programs, or raise the container's limit.", measured=measured,
        )  # fmt: skip
    return Finding("ok", value, measured=measured)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
