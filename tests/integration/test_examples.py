"""The programs in `examples/` run, and go on where they were stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def _train(folder: Path, *options: str) -> subprocess.Popen[str]:
    words = [sys.executable, str(EXAMPLES / "train_digits.py"), "--folder", str(folder), *options]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_train_digits_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    first = _train(tmp_path, "--epochs", "400", "--workers", "2")
    assert first.stdout is not None
    assert first.stdout.readline().startswith("epoch 0: loss ")
    os.killpg(first.pid, signal.SIGINT)
    output, error = first.communicate(timeout=60)
    assert first.returncode == 130, error
    interrupted = re.search(r"interrupted: (epoch \d+, \d+ samples of it consumed)", output)
    assert interrupted is not None, output
    epoch = int(interrupted[1].split()[1].rstrip(","))
    second = _train(tmp_path, "--epochs", str(epoch + 2), "--workers", "1", "--kind", "subprocess")
    output, error = second.communicate(timeout=120)
    assert second.returncode == 0, error
    assert f"resumed: {interrupted[1]}" in output
    accuracy = re.search(r"accuracy (0\.\d+) on 360 digits", output)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.8
