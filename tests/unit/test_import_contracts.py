"""A contract guards only what it names, so every package must be named, and the contracts must hold."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "headrace"


def _contract(identifier: str) -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return next(contract for contract in settings["contracts"] if contract["id"] == identifier)


def _top_level_modules() -> set[str]:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    return modules | packages


def _named_in_floors() -> set[str]:
    floors = _contract("floors")
    return {name.strip() for layer in floors["layers"] for part in layer.split("|") for name in part.split(":")} | set(
        floors["exhaustive_ignores"]
    )


def test_floors_name_every_top_level_module() -> None:
    assert _top_level_modules() - _named_in_floors() == set(), "add it to [tool.importlinter] in pyproject.toml"


def test_floors_name_nothing_that_does_not_exist() -> None:
    assert _named_in_floors() - _top_level_modules() == set()


@pytest.mark.parametrize(
    ("contract", "exempt"), [("testing", {"testing"}), ("terminal", {"cli", "demo"})], ids=["testing", "terminal"]
)
def test_contract_guards_every_module_but_the_exempt(contract: str, exempt: set[str]) -> None:
    sources = {name.removeprefix("headrace.") for name in _contract(contract)["source_modules"]}
    assert sources == _top_level_modules() - exempt


def test_contracts_hold() -> None:
    linter = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert linter.returncode == 0, linter.stdout + linter.stderr
