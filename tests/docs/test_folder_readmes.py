"""Each main folder has a README that names every file in it, and no file that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "headrace"
MAIN_FOLDERS = (
    "cli",
    "datasets",
    "datasets/exports",
    "datasets/probes",
    "datasets/sources",
    "datasets/types",
    "demo",
    "schema",
    "storage",
    "testing",
)
FOLDERS = sorted({PACKAGE / name for name in MAIN_FOLDERS} | {path.parent for path in PACKAGE.rglob("README.md")})


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.py")} - {"__init__.py", "__main__.py"}


def _named(folder: Path) -> set[str]:
    """Names in code spans that are files of this folder; `commands/x.py` is one of another."""
    return set(re.findall(r"`(\w+\.py)`", (folder / "README.md").read_text(encoding="utf-8")))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(PACKAGE)))
def test_readme_names_every_file_of_its_folder(folder: Path) -> None:
    assert _files(folder) - _named(folder) == set(), "name them in the README, one line a file"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(PACKAGE)))
def test_readme_names_no_file_that_is_gone(folder: Path) -> None:
    assert _named(folder) - _files(folder) == set()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(PACKAGE)))
def test_readme_draws_the_flow(folder: Path) -> None:
    assert re.search(r"^```.*?(─|->).*?^```", (folder / "README.md").read_text(encoding="utf-8"), re.M | re.S)


def test_folders_with_several_files_have_a_readme() -> None:
    """`cli/commands` holds one file for each command, and the README above it says so."""
    missing = {
        str(folder.relative_to(PACKAGE))
        for folder in (path.parent for path in PACKAGE.rglob("__init__.py"))
        if len(_files(folder)) > 1 and not (folder / "README.md").exists()
    }
    assert missing <= {".", "cli/commands"}
