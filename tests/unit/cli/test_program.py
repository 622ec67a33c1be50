"""Suggested commands can be pasted as they are."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from headrace.cli.program import command_line, program_name


def test_script_off_the_path_is_named_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "a folder" / "headrace"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script), "demo"])
    monkeypatch.setenv("PATH", os.defpath)
    assert program_name() == f"'{script}'"
    monkeypatch.setenv("PATH", str(script.parent))
    assert program_name() == "headrace"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["/x/headrace/cli/__main__.py"], f"{shlex.quote(sys.executable)} -m headrace.cli"),
        (["pytest"], "headrace"),
        ([], "headrace"),
    ],
)
def test_other_ways_of_starting_it(argv: list[str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert program_name() == expected


def test_words_are_quoted_for_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert command_line("query", "my lake::a", "SELECT 1") == "headrace query 'my lake::a' 'SELECT 1'"
