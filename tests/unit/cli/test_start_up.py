"""`headrace --help` imports little and starts fast."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

HEAVY = {
    "PIL",
    "blake3",
    "duckdb",
    "grpc",
    "numpy",
    "obstore",
    "orjson",
    "pandas",
    "polars",
    "pyarrow",
    "pydantic",
    "rich",
    "ruamel",
    "simplejpeg",
    "sklearn",
    "torch",
    "xxhash",
}

FOR_HELP = {
    "headrace",
    "headrace.cli",
    "headrace.cli.failures",
    "headrace.cli.json_values",
    "headrace.cli.lazy_group",
    "headrace.cli.main",
    "headrace.cli.output",
    "headrace.cli.program",
    "headrace.cli.tables",
    "headrace.connecting",
    "headrace.errors",
    "headrace.progress",
}
"""All modules of this package that `headrace --help` may import."""

PROBE = """
import json, sys
sys.argv = ["headrace", *json.loads(sys.argv[1])]
from headrace.cli.main import main
try:
    main()
except SystemExit as end:
    code = end.code
print(json.dumps({"code": code, "modules": sorted(sys.modules)}), file=sys.stderr)
"""


def _modules(words: Sequence[str]) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(list(words))], capture_output=True, text=True, timeout=60, check=True
    )
    report = json.loads(run.stderr.splitlines()[-1])
    assert report["code"] == 0
    return set(report["modules"])


def test_help_imports_no_more_than_written_down() -> None:
    modules = _modules(["--help"])
    assert {name for name in modules if name.partition(".")[0] == "headrace"} == FOR_HELP
    roots = {name.partition(".")[0] for name in modules}
    assert roots & HEAVY == set()
    assert roots - sys.stdlib_module_names - {"__main__", "_virtualenv", "click", "headrace", "sitecustomize"} == {
        name for name in roots if name.startswith(("__editable__", "_distutils", "distutils-precedence"))
    }


@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["dataset", "--help"],
        ["dataset", "create", "--help"],
        ["query", "--help"],
        ["demo", "--help"],
        ["recipe", "--help"],
        ["recipe", "validate", "--help"],
    ],
)
def test_help_of_commands_imports_nothing_heavy(words: list[str]) -> None:
    assert {name.partition(".")[0] for name in _modules(words)} & HEAVY == set()


def test_help_starts_within_300_ms() -> None:
    """Of processor time, the best of five, so that a busy machine does not decide."""
    best = min(_seconds_of_help() for _ in range(5))
    assert best < 0.3


def _seconds_of_help() -> float:
    before = os.times()
    subprocess.run([sys.executable, "-m", "headrace.cli", "--help"], stdout=subprocess.DEVNULL, timeout=60, check=True)
    after = os.times()
    return (after.children_user - before.children_user) + (after.children_system - before.children_system)
