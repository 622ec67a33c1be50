"""What surrounds the gateway: packages that are missing, daemons that die, suites that fail. No Ceph is needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.radosgw import packages
from tools.radosgw.daemons import DaemonDied, Daemons
from tools.radosgw.gateway import Gateway
from tools.radosgw.suites import ROOT, Outcome, Task, read_tasks, run_task, table

_GATEWAY = Gateway("http://127.0.0.1:1", "us-east-1", "key", "secret", "plain", "versioned")
_SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    found = Daemons(tmp_path)
    yield found
    found.stop()


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    # A zombie is gone for all but its parent.
    state = Path(f"/proc/{process_id}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def _wait_until_gone(process_id: int) -> None:
    give_up_at = time.monotonic() + 10
    while _is_running(process_id):
        assert time.monotonic() < give_up_at, f"{process_id} still runs"
        time.sleep(0.01)


def test_stopped_daemons_are_gone(daemons: Daemons) -> None:
    daemons.start("a", _SLEEP)
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    daemons.start("b", [sys.executable, "-c", deaf])
    ids = list(daemons.process_ids.values())
    give_up_at = time.monotonic() + 10
    while "deaf" not in daemons.last_words():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    daemons.check()
    daemons.stop(timeout_seconds=0.2)
    assert [_is_running(process_id) for process_id in ids] == [False, False]


def test_dead_daemon_is_reported_with_what_it_said(daemons: Daemons) -> None:
    daemons.start("osd", [sys.executable, "-c", "raise SystemExit('no room')"])
    os.waitid(os.P_PID, daemons.process_ids["osd"], os.WEXITED | os.WNOWAIT)
    with pytest.raises(DaemonDied, match=r"osd ended with status 1:\nno room"):
        daemons.check()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_daemon_ends_with_a_killed_parent(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from tools.radosgw.daemons import Daemons
daemons = Daemons(Path({str(tmp_path)!r}))
daemons.start("a", {_SLEEP!r})
print(daemons.process_ids["a"], flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        process_id = int(parent.stdout.readline())
        assert _is_running(process_id)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    _wait_until_gone(process_id)


def test_system_without_apt_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(packages.PackagesMissing, match="no apt-get"):
        packages.install_packages()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_somebody_who_is_not_root_is_told_the_command(tmp_path: Path) -> None:
    """In a process of its own, which gives root up."""
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "apt-get").chmod(0o755)
    program = f"""
import os
from tools.radosgw.packages import PackagesMissing, install_packages
os.environ["PATH"] = {str(tmp_path)!r}
os.geteuid = lambda: 1000
try:
    install_packages()
except PackagesMissing as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert "Run: sudo apt-get install --no-install-recommends radosgw" in done.stdout


def test_command_runs_with_addresses_in_the_environment(capfd: pytest.CaptureFixture[str]) -> None:
    program = (
        "import os, sys; print(os.environ['AWS_ENDPOINT_URL'], sys.argv[1], 'secret' in os.environ['HEADRACE_TEST_S3'])"
    )
    outcome = run_task(
        Task("x", (sys.executable, "-c", program, "{lake}"), is_suite=False), gateway=_GATEWAY, num_workers=1
    )
    assert (outcome.num_passed, outcome.is_good) == (1, True)
    assert capfd.readouterr().out.startswith("http://127.0.0.1:1 s3://plain/")


@pytest.mark.parametrize("line", ["false", "no-such-program-anywhere --x"])
def test_command_that_fails_or_is_not_there_is_counted(line: str) -> None:
    outcome = run_task(Task.of_command(line), gateway=_GATEWAY, num_workers=1)
    assert (outcome.num_failed, outcome.is_good) == (1, False)


def test_suite_without_a_test_is_no_success() -> None:
    assert not Outcome("a", num_tests=2, num_passed=0, num_failed=0, num_skipped=2, seconds=1.0).is_good


def test_table_sums_up() -> None:
    text = table([Outcome("stores", 3, 2, 1, 0, 1.25), Outcome("lakes", 2, 1, 0, 1, 2.0)])
    assert [line.split() for line in text.splitlines()] == [
        ["suite", "tests", "passed", "failed", "skipped", "seconds"],
        ["stores", "3", "2", "1", "0", "1.2"],
        ["lakes", "2", "1", "0", "1", "2.0"],
        ["all", "5", "3", "1", "1", "3.2"],
    ]


def test_every_listed_suite_names_files_that_exist() -> None:
    tasks = read_tasks(ROOT / "tools" / "radosgw" / "suites.toml")
    files = [word for task in tasks if task.is_suite for word in task.words if word.endswith(".py")]
    assert files
    assert [name for name in files if not (ROOT / name).exists()] == []
