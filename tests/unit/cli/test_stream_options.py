"""Options of `headrace stream`: numbers that no order or state can hold are usage errors."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from headrace.cli.main import cli


@pytest.mark.parametrize("command", ["peek", "bench"])
@pytest.mark.parametrize(("option", "value"), [("--seed", 2**63), ("--epoch", 2**31 + 1), ("--seed", -1)])
def test_number_out_of_range_exits_2_and_names_the_range(command: str, option: str, value: int) -> None:
    result = CliRunner().invoke(cli, ["stream", command, "lake::a", option, str(value)])
    assert result.exit_code == 2
    assert "is not in the range 0<=x<=" in result.stderr
