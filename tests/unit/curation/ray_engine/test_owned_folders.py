from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from headrace.curation.ray_engine.owned_folders import make_owned_folder


def test_folders_of_dead_processes_go_and_others_stay(tmp_path: Path) -> None:
    program = (
        "import os, sys; from headrace.curation.ray_engine.owned_folders import make_owned_folder;"
        "print(make_owned_folder('headrace-test-', root=sys.argv[1]), flush=True); os.kill(os.getpid(), 9)"
    )
    dead = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    left = Path(dead.stdout.strip())
    assert left.exists()
    foreign = tmp_path / "headrace-test-foreign"
    foreign.mkdir()
    (foreign / "owner").write_text("another-boot another-namespace 1-2")
    first = make_owned_folder("headrace-test-", root=str(tmp_path))
    assert not left.exists()
    second = make_owned_folder("headrace-test-", root=str(tmp_path))
    assert first.exists()
    assert second.exists()
    assert foreign.exists()  # of a machine that shares the folder
