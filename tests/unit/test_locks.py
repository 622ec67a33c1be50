"""Locks pin every package, name no host, and hold nothing that only some machines can install."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"[a-z0-9-]+==[0-9][\w.]*( ; .+)?")


NOT_FOR_USE = {"all", "docs", "testing"}  # extras that no job of the library needs


def _pins(lock: Path) -> dict[str, str]:
    lines = [line.strip() for line in lock.read_text(encoding="utf-8").splitlines()]
    pins = [line.partition(" ;")[0].partition("==") for line in lines if line and not line.startswith("#")]
    return {name: version for name, _, version in pins}


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def test_all_locks_are_there() -> None:
    assert {lock.stem for lock in LOCKS} == {"base", "bench", "build", "dev", "full"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_holds_pins_only(lock: Path) -> None:
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    assert [line for line in lines if line and not PIN.fullmatch(line)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_names_no_host_and_no_accelerator_package(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8").lower()
    refused = ["nvidia-", "+cpu", "+cu1", "--index-url", "--extra-index-url", "--find-links", "--trusted-host"]
    assert [word for word in [*refused, "://", "file:/", " @ "] if word in text] == []
    assert "torch" not in _pins(lock)


@pytest.mark.parametrize("lock", ["base", "full", "dev"])
def test_lock_pins_every_base_dependency(lock: str) -> None:
    pins = _pins(ROOT / "requirements" / f"{lock}.txt")
    assert {_name(requirement) for requirement in _project()["dependencies"]} - set(pins) == set()


@pytest.mark.parametrize("lock", ["full", "dev"])
def test_lock_pins_every_extra(lock: str) -> None:
    pins = _pins(ROOT / "requirements" / f"{lock}.txt")
    extras = _project()["optional-dependencies"]
    wanted = {_name(line) for extra, lines in extras.items() if extra not in NOT_FOR_USE for line in lines}
    assert wanted - set(pins) == set()


def test_all_extra_names_every_extra_of_users() -> None:
    extras = _project()["optional-dependencies"]
    (line,) = extras["all"]
    assert set(line.removeprefix("headrace[").removesuffix("]").split(",")) == set(extras) - NOT_FOR_USE


def test_locks_agree_on_versions() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in _pins(lock).items():
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
