"""Where a task is, told through memory that outlives its process."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from headrace.curation.executor.spots import NOBODY, Spots

_CHILD = """
import os, signal, sys
from headrace.curation.executor.spots import Spots
Spots.inherited(int(sys.argv[1])).write(1, 41, 2)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_spot_of_a_killed_process_can_be_read() -> None:
    spots = Spots(2)
    try:
        command = [sys.executable, "-c", _CHILD, str(spots.descriptor)]
        assert subprocess.run(command, pass_fds=(spots.descriptor,), check=False).returncode == -9
        assert spots.read(0)[:2] == (NOBODY, NOBODY)
        place, step_idx, since = spots.read(1)
        assert (place, step_idx) == (41, 2)
        assert 0 <= time.monotonic() - since < 60
    finally:
        spots.close()
    spots.close()


def test_close_gives_the_descriptor_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    Spots(1).close()
    assert len(os.listdir("/proc/self/fd")) == before
