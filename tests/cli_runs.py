"""Commands of the command line, run in this process, and what they answer."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from headrace.cli.main import cli

__all__ = ["run", "run_json"]


def run(*words: str, expect: int = 0) -> Result:
    """What a command prints, after its exit code proved to be the expected one."""
    result = CliRunner().invoke(cli, list(words))
    assert result.exit_code == expect, f"{words}\n{result.stdout}\n{result.stderr}\n{result.exception!r}"
    return result


def run_json(*words: str, expect: int = 0) -> Any:
    """The document that a command prints with --json."""
    result = run(*words, "--json", expect=expect)
    assert "Next:" not in result.stderr
    return json.loads(result.stdout)
