"""Whether a collector is surely dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.datasets.collector_process import has_died, this_process

pytestmark = pytest.mark.skipif(this_process() is None, reason="the system does not describe processes under /proc")


def test_this_process_lives() -> None:
    assert not has_died(this_process())


def test_a_killed_process_has_died() -> None:
    code = "from headrace.datasets.collector_process import this_process; print(this_process(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        description = child.stdout.readline().strip()
        assert not has_died(description)
        child.kill()
    assert has_died(description)


def test_a_number_that_another_process_has_now_is_no_sign_of_life() -> None:
    description = this_process() or ""
    assert has_died(description + "1"), "another start time"


@pytest.mark.parametrize("description", [None, "", "nonsense", "other-boot pid:[1] 1-5"])
def test_what_ran_elsewhere_may_live(description: str | None) -> None:
    assert not has_died(description)


def test_a_system_that_does_not_tell_says_nothing(tmp_path: Path) -> None:
    assert this_process(tmp_path) is None
    assert not has_died(f"boot pid:[1] {os.getpid()}-1", tmp_path)
