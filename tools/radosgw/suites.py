"""Runs test suites and commands against a running gateway, and counts what came of them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import tomllib
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.radosgw.gateway import Gateway

__all__ = ["SERVICE_VARIABLE", "Outcome", "Task", "read_tasks", "run_task", "table"]

SERVICE_VARIABLE = "HEADRACE_TEST_S3"
"""JSON of the S3 service that the tests are to use: `Gateway.to_json`."""

ROOT = Path(__file__).resolve().parents[2]
_LONGEST_SECONDS = 900.0
_NOTHING_COLLECTED = 5  # pytest's exit status


@dataclass(frozen=True, slots=True)
class Task:
    """A suite of pytest, or a command that passes if it exits with 0."""

    name: str
    words: tuple[str, ...]
    is_suite: bool

    @classmethod
    def of_command(cls, line: str) -> Task:
        """A command as it is typed into a shell."""
        words = shlex.split(line)
        return cls(Path(words[0]).name if len(words) == 1 else " ".join(words[:3]), tuple(words), is_suite=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one task."""

    name: str
    num_tests: int
    num_passed: int
    num_failed: int
    num_skipped: int
    seconds: float

    @property
    def is_good(self) -> bool:
        """Nothing failed, and something ran."""
        return self.num_failed == 0 and self.num_passed > 0


def read_tasks(path: Path) -> list[Task]:
    """The suites, then the commands of a file."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        *(Task(suite["name"], tuple(suite["pytest"]), is_suite=True) for suite in document.get("suite", [])),
        *(Task(command["name"], tuple(command["words"]), is_suite=False) for command in document.get("command", [])),
    ]


def run_task(task: Task, *, gateway: Gateway, num_workers: int) -> Outcome:
    """Run it from the project's root, its output going to ours."""
    environment = {**os.environ, SERVICE_VARIABLE: json.dumps(gateway.to_json())}
    # Programs of this environment come first, also when it was not activated.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    started = time.monotonic()
    if task.is_suite:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            status = _run(
                [
                    sys.executable, "-m", "pytest", "-q", "-n", str(num_workers), "--dist", "loadgroup",
                    f"--junitxml={report}", *task.words,
                ],
                environment=environment,
            )  # fmt: skip
            num_tests, num_failed, num_skipped = _read_report(report)
        if status not in (0, _NOTHING_COLLECTED) and num_failed == 0:
            num_tests, num_failed = num_tests + 1, 1  # pytest itself failed, or ran too long
    else:
        lake = f"s3://{gateway.bucket}/{uuid.uuid4().hex}"
        words = [word.replace("{lake}", lake) for word in task.words]
        status = _run(words, environment={**environment, **gateway.aws_variables()})
        num_tests, num_failed, num_skipped = 1, int(status != 0), 0
    seconds = time.monotonic() - started
    return Outcome(task.name, num_tests, num_tests - num_failed - num_skipped, num_failed, num_skipped, seconds)


def _run(words: Sequence[str], *, environment: Mapping[str, str]) -> int:
    try:
        return subprocess.run(words, cwd=ROOT, env=environment, timeout=_LONGEST_SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"{shlex.join(words)} did not end within {_LONGEST_SECONDS:.0f} s", file=sys.stderr)
        return 124
    except OSError as error:
        print(f"{shlex.join(words)}: {error}", file=sys.stderr)
        return 127


def _read_report(report: Path) -> tuple[int, int, int]:
    """Tests, failures (with errors) and skips of a JUnit file; all 0 if pytest wrote none."""
    if not report.exists():
        return 0, 0, 0
    suites = ET.parse(report).getroot().iter("testsuite")  # noqa: S314 - pytest's own file
    tests = failed = skipped = 0
    for suite in suites:
        tests += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return tests, failed, skipped


def table(outcomes: Sequence[Outcome]) -> str:
    """Suite, tests, passed, failed, skipped, seconds, and their sums."""
    total = Outcome(
        "all",
        sum(each.num_tests for each in outcomes),
        sum(each.num_passed for each in outcomes),
        sum(each.num_failed for each in outcomes),
        sum(each.num_skipped for each in outcomes),
        sum(each.seconds for each in outcomes),
    )
    width = max(len(each.name) for each in [*outcomes, total])
    lines = [f"{'suite':{width}}  {'tests':>6}  {'passed':>6}  {'failed':>6}  {'skipped':>7}  {'seconds':>7}"]
    lines += [
        f"{each.name:{width}}  {each.num_tests:>6}  {each.num_passed:>6}  {each.num_failed:>6}  "
        f"{each.num_skipped:>7}  {each.seconds:>7.1f}"
        for each in [*outcomes, total]
    ]
    return "\n".join(lines)
