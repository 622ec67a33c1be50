"""Interleaved timing of contestants, with what is needed to judge the figures: spread, versions, hardware."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

__all__ = ["BENCH_ROOT", "Bar", "Contestant", "Outcome", "Timing", "hardware", "race", "report", "versions"]

BENCH_ROOT = Path(__file__).resolve().parent.parent / ".bench"
"""Scratch: generated inputs (kept between runs) and what the contestants write (removed)."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """`prepare` and `check` are not timed. `check` gets what `run` returned and raises when the bytes are wrong."""

    name: str
    run: Callable[[], object]
    prepare: Callable[[], None] | None = None
    check: Callable[[object], None] | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one contestant over all repetitions."""

    name: str
    seconds: list[float]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """Fastest and slowest run, seconds."""
        return min(self.seconds), max(self.seconds)


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise and what was measured."""

    text: str  # the promise, in words
    measured: float
    limit: float
    sense: Literal["at least", "at most", "under"]
    unit: str  # "x", "s", "%", "bytes"

    @property
    def is_met(self) -> bool:
        """Whether the promise holds in this run."""
        if self.sense == "at least":
            return self.measured >= self.limit
        return self.measured <= self.limit if self.sense == "at most" else self.measured < self.limit

    @property
    def amount(self) -> str:
        """What was measured, in words."""
        if self.unit == "s":
            return _s(self.measured).strip()
        if self.unit == "bytes":
            return f"{self.measured:,.0f} bytes"
        if self.unit == "%":
            return f"{self.measured:.1f} %" if abs(self.measured) >= 0.1 else f"{self.measured:.3f} %"
        return f"{self.measured:.2f}{self.unit}"


def race(contestants: Sequence[Contestant], *, repetitions: int = 5, warmups: int = 1) -> dict[str, Timing]:
    """Time the contestants in turns, A B C, A B C, so that a slow minute of the machine hits all of them.

    The order turns by one each round, so that nobody always runs after the same neighbour.
    """
    seconds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for round_idx in range(warmups + repetitions):
        turn = round_idx % len(contestants)
        for contestant in [*contestants[turn:], *contestants[:turn]]:
            if contestant.prepare is not None:
                contestant.prepare()
            os.sync()  # nobody pays for another one's dirty pages
            started = time.perf_counter()
            outcome = contestant.run()
            elapsed = time.perf_counter() - started
            if contestant.check is not None:
                contestant.check(outcome)
            del outcome
            if round_idx >= warmups:
                seconds[contestant.name].append(elapsed)
    return {name: Timing(name, values) for name, values in seconds.items()}


def versions(*distributions: str) -> dict[str, str]:
    """Installed versions; "absent" for what is not installed."""
    found: dict[str, str] = {"python": platform.python_version()}
    for distribution in distributions:
        try:
            found[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            found[distribution] = "absent"
    return found


def hardware() -> dict[str, str | int | float]:
    """Processor, cores this process may use, memory in GiB, file system of the scratch folder, load before the run."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0.0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": processor,
        "cores": cores,
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "file_system": _file_system_of(BENCH_ROOT),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _file_system_of(folder: Path) -> str:
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "unknown"
    best, kind = "", "unknown"
    for line in mounts.read_text(encoding="utf-8").splitlines():
        _, point, name, *_ = line.split(" ")
        if str(folder).startswith(point) and len(point) > len(best):
            best, kind = point, name
    return kind


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one benchmark hands to the runner."""

    bars: list[Bar]
    table: list[str]  # lines
    document: dict[str, object]  # plain JSON

    @property
    def is_met(self) -> bool:
        """Whether all bars are met."""
        return all(bar.is_met for bar in self.bars)


def report(
    *,
    question: str,
    timings: Mapping[str, Timing],
    ours: str,
    bars: Sequence[Bar],
    libraries: Mapping[str, str],
    machine: Mapping[str, str | int | float],
    facts: Mapping[str, str | int | float] | None = None,
    bytes_written: Mapping[str, int] | None = None,
) -> Outcome:
    """Print the table and put everything into one document.

    Args:
        question: One line.
        timings: By contestant; printed in this order, each with its time relative to `ours`.
        ours: Name of the contestant that is Headrace.
        bars: What was promised, with what was measured.
        libraries: From `versions()`.
        machine: From `hardware()`, taken before the race.
        facts: What was worked on: counts, bytes.
        bytes_written: By contestant, where that is part of the question; a column of the table.
    """
    base = timings[ours].median
    width = max(len(name) for name in timings)
    heading = f"{'':{width}}  {'median':>10}  {'fastest':>10}  {'slowest':>10}  {'against ours':>12}"
    table = [heading if bytes_written is None else f"{heading}  {'bytes written':>13}"]
    for name, timing in timings.items():
        fastest, slowest = timing.spread
        relative = "" if name == ours else f"{timing.median / base:.2f}x"
        line = f"{name:{width}}  {_s(timing.median)}  {_s(fastest)}  {_s(slowest)}  {relative:>12}"
        table.append((line if bytes_written is None else f"{line}  {bytes_written[name]:>13,}").rstrip())
    for name, value in (facts or {}).items():
        amount = f"{value:,}" if isinstance(value, int) else str(value)
        table.append(f"{name.replace('_', ' ')}: {amount}")
    table.extend(f"{'met   ' if bar.is_met else 'MISSED'}  {bar.text}: {bar.amount}" for bar in bars)
    print(f"\n{question}")
    for line in table:
        print(f"  {line}")
    document: dict[str, object] = {
        "format": 1,
        "question": question,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dict(machine),
        "versions": dict(libraries),
        "facts": dict(facts or {}),
        "seconds": {name: [round(value, 6) for value in timing.seconds] for name, timing in timings.items()},
        "median_seconds": {name: round(timing.median, 6) for name, timing in timings.items()},
        **({} if bytes_written is None else {"bytes_written": dict(bytes_written)}),
        "bars": [{**asdict(bar), "measured": round(bar.measured, 6), "is_met": bar.is_met} for bar in bars],
    }
    return Outcome(list(bars), table, document)


def _s(seconds: float) -> str:
    return f"{seconds:8.2f} s" if seconds >= 1 else f"{seconds * 1e3:7.1f} ms"
