"""Pages that are generated from the code are what the generator writes today."""

from __future__ import annotations

import pytest

from tools import generate_reference


def test_reference_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_reference.main(["--check"]) == 0, capsys.readouterr().err
