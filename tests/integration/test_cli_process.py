"""The program as a process: exit codes, streams, pipes, terminals, Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import headrace

DEADLINE_SECONDS = 60.0


def _environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "PYTHON"))}
    return {**kept, "NO_COLOR": "1", **variables}


def run(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "headrace.cli", *words],
        cwd=cwd, capture_output=True, text=True, encoding="utf-8", timeout=DEADLINE_SECONDS, check=False,
        env=_environment(**variables),
    )  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "part1.csv").write_text("".join(f'"sentence number {number}","a{number % 3}"\n' for number in range(400)))
    headrace.connect(folder / "lake").create_dataset("intents", type="TEXT_INTENT", source=folder / "part1.csv")
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    target = tmp_path / "work"
    shutil.copytree(prepared, target)
    return target


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        ([], 0),
        (["dataset", "log", "lake::intents"], 0),
        (["nonsense"], 2),
        (["dataset", "log"], 2),
        (["snapshot", "lake::intents", "--tag", "bad"], 2),
        (["query", "lake::intents", "SELECT 1;SELECT 2"], 2),
        (["dataset", "log", "lake::missing"], 3),
        (["commit", "lake::intents", "missing.csv"], 3),
        (["dataset", "create", "lake::intents", "--type", "GENERIC"], 5),
    ],
)
def test_exit_code(words: list[str], exit_code: int, folder: Path) -> None:
    done = run(*words, cwd=folder)
    assert done.returncode == exit_code, done.stderr
    assert (done.stdout == "") == (exit_code != 0)
    assert "Traceback" not in done.stderr
    if exit_code:
        assert done.stderr.startswith("error: ")


def test_version_is_the_packages(folder: Path) -> None:
    assert run("--version", cwd=folder).stdout == f"headrace {headrace.__version__}\n"


def test_json_keeps_stdout_to_one_document(folder: Path) -> None:
    good = run("commit", "lake::intents", "part1.csv", "--json", cwd=folder)
    assert json.loads(good.stdout)["num_rows"] == 400
    assert good.stderr == ""
    bad = run("commit", "lake::intents", "missing.csv", "--json", cwd=folder)
    assert json.loads(bad.stdout)["error"]["code"] == "not-found"
    assert bad.stderr.startswith("error: ")


def test_lake_variable_supplies_the_lake(folder: Path) -> None:
    done = run("dataset", "show", "intents", "--json", cwd=folder, HEADRACE_LAKE=str(folder / "lake"))
    assert json.loads(done.stdout)["num_rows"] == 400


def test_debug_variable_shows_the_traceback(folder: Path) -> None:
    done = run("dataset", "log", "lake::missing", cwd=folder, HEADRACE_DEBUG="1")
    assert done.returncode == 3
    assert "Traceback (most recent call last)" in done.stderr


def test_text_that_the_terminal_cannot_show_is_escaped(folder: Path) -> None:
    (folder / "other.csv").write_text('"Grüße, 日本","a"\n', encoding="utf-8")
    run("dataset", "create", "lake::other", "--type", "TEXT_INTENT", "--source", "other.csv", cwd=folder)
    done = run("sample", "lake::other", cwd=folder, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert "\\u65e5" in done.stdout


def test_reader_that_leaves_early_is_no_error(folder: Path) -> None:
    """`headrace query … --csv | head -1`."""
    sql = "SELECT repeat(text, 500) AS t FROM snapshot"
    program = [sys.executable, "-m", "headrace.cli", "query", "lake::intents", sql, "--csv"]
    with subprocess.Popen(
        program, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"t\n"
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(DEADLINE_SECONDS) == 0
    assert errors == b""


def test_completion_works_in_bash(folder: Path, tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash on this machine")
    program = tmp_path / "headrace"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m headrace.cli "$@"\n')
    program.chmod(0o755)
    script = tmp_path / "completion.bash"
    script.write_text(run("completion", "bash", cwd=folder).stdout)
    words = (
        'COMP_WORDS=(headrace mat); COMP_CWORD=1; _headrace_completion headrace mat headrace; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", f'source "{script}"; {words}'],
        capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
        env=_environment(PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}"),
    )  # fmt: skip
    assert done.stdout.strip() == "materialise", done.stderr


class Terminal:
    """A process whose stderr (and stdout, if asked) is a terminal of 80 columns."""

    def __init__(self, words: Sequence[str], *, cwd: Path, is_stdout: bool = False) -> None:
        self._master, slave = pty.openpty()
        self.text = ""
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "headrace.cli", *words],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=slave if is_stdout else subprocess.DEVNULL,
                stderr=slave,
                env={**_environment(TERM="xterm", COLUMNS="80")},
            )
        finally:
            os.close(slave)

    def read_until(self, wanted: str) -> None:
        """Read until the text appears; fails at the deadline or the end."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while wanted not in self.text:
            assert time.monotonic() < deadline, f"{wanted!r} did not appear in {self.text!r}"
            assert self._read(), f"{wanted!r} did not appear in {self.text!r}"

    def read_to_end(self) -> int:
        """The rest of the output; the exit code."""
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait(DEADLINE_SECONDS)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], DEADLINE_SECONDS)
        assert ready, f"silent for {DEADLINE_SECONDS} s after {self.text!r}"
        data = b""
        with contextlib.suppress(OSError):  # Linux reports the end of a terminal as an error
            data = os.read(self._master, 65_536)
        self.text += data.decode("utf-8", "replace")
        return bool(data)


def _write_long_csv(path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(600_000):
            file.write(f'"sentence number {number} of a long file","label{number % 150}"\n')


def test_ctrl_c_during_a_commit_leaves_nothing_half_written(folder: Path) -> None:
    _write_long_csv(folder / "long.csv")
    before = run("audit", "lake", "--json", cwd=folder).stdout
    terminal = Terminal(["commit", "lake::intents", "long.csv"], cwd=folder)
    terminal.read_until("rows/s")  # the bar shows a rate once the first rows were taken in
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.read_to_end() == 130, terminal.text
    assert "interrupted; nothing half-written is visible" in terminal.text
    assert "Traceback" not in terminal.text
    assert run("audit", "lake", "--json", cwd=folder).stdout == before
    verified = run("verify", "lake", "--json", cwd=folder)
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["problems"] == []
    again = run("commit", "lake::intents", "part1.csv", "--json", cwd=folder)
    assert json.loads(again.stdout)["id"] == "2"


def test_terminal_gets_the_table_and_the_hint(folder: Path) -> None:
    terminal = Terminal(["dataset", "log", "lake::intents"], cwd=folder, is_stdout=True)
    assert terminal.read_to_end() == 0
    assert "Initial commit" in terminal.text
    assert "Next: " in terminal.text
