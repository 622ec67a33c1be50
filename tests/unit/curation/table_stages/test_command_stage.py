"""Any program as a stage: folder in, folder out, joined by id; nothing of a failed one is read."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.curation.stage_rows import StageStore
from headrace.curation.table_stages.command_environment import CommandEnvironment
from headrace.curation.table_stages.command_identity import command_identity
from headrace.curation.table_stages.command_stage import run_command
from headrace.curation.table_stages.table_result import TableResult
from headrace.errors import HeadraceError, InvalidInput, NotFound
from tests.stage_lakes import ROOM_BYTES, open_stage_store, put_rows

TABLE = pa.table({"_id": ["a", "b/1", "c"], "width": [1, 2, 3]})


def _run(
    tmp_path: Path,
    program: str,
    *,
    table: pa.Table = TABLE,
    timeout_seconds: float | None = 60,
    memory_bytes: int = ROOM_BYTES,
) -> tuple[StageStore, TableResult]:
    (tmp_path / "tool.py").write_text(
        "import csv, json, os, sys\nfrom pathlib import Path\ngiven, made = map(Path, sys.argv[1:])\n" + program
    )
    store = open_stage_store(tmp_path)
    scratch = tmp_path / "scratch"
    try:
        found = run_command(
            store,
            put_rows(store, table, part_rows=2),
            command=[sys.executable, "tool.py", "{input}", "{output}"],
            folder=tmp_path,
            scratch=scratch,
            memory_bytes=memory_bytes,
            timeout_seconds=timeout_seconds,
        )
    finally:
        assert list(scratch.iterdir()) == []
    return store, found


def test_new_columns_are_joined_by_id_and_missing_rows_leave(tmp_path: Path) -> None:
    program = """
assert (given / "rows.parquet").exists()
(made / "out.jsonl").write_text('{"_id": "c", "area": 9, "width": 30}\\n{"_id": "a", "area": 1, "width": 10}\\n')
"""
    store, found = _run(tmp_path, program)
    assert store.table(found.rows).to_pylist() == [
        {"_id": "a", "width": 10, "area": 1},
        {"_id": "c", "width": 30, "area": 9},
    ]
    dropped = store.table(found.dropped).to_pylist()
    assert [record["_id"] for record in dropped] == ["b/1"]
    assert dropped[0]["reason"].startswith("left out by")


def test_csv_ids_stay_text(tmp_path: Path) -> None:
    table = pa.table({"_id": ["1", "2"]})
    store, found = _run(tmp_path, '(made / "o.csv").write_text("_id,n\\n2,x\\n1,y\\n")', table=table)
    assert store.table(found.rows).to_pylist() == [{"_id": "1", "n": "y"}, {"_id": "2", "n": "x"}]


def test_output_without_tables_keeps_all_rows(tmp_path: Path) -> None:
    _, found = _run(tmp_path, "")
    assert (found.rows.num_rows, found.dropped.num_rows) == (3, 0)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ('(made / "o.jsonl").write_text(\'{"_id": "z"}\\n\')', "ids that no row has: 'z'"),
        ('(made / "o.jsonl").write_text(\'{"_id": "a"}\\n{"_id": "a"}\\n\')', "ids twice: 'a'"),
        ('(made / "o.jsonl").write_text(\'{"id": "a"}\\n\')', "no column _id"),
        ('(made / "o.txt").write_text("x")', "holds 'o.txt'"),
        ('(made / "o.csv").touch()', "is empty"),
        ('(made / "o.parquet").write_text("no")', "cannot be read"),
        ('os.symlink("/etc/passwd", made / "o.csv")', "holds 'o.csv'"),
        ('(made / "media" / "image").mkdir(parents=True); (made / "media/image/a.png").touch()', "does not list"),
    ],
)
def test_output_that_does_not_fit_is_refused(tmp_path: Path, program: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        _run(tmp_path, program)


def test_tables_above_the_limit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="more than 25 bytes"):
        _run(tmp_path, '(made / "o.csv").write_text("_id\\n" + "a\\n" * 90)', memory_bytes=100)


def test_failure_says_exit_code_and_what_was_printed(tmp_path: Path) -> None:
    with pytest.raises(HeadraceError, match=r"exit code 3; it printed at the end:\n.*no weights") as failure:
        _run(tmp_path, 'print("no weights", file=sys.stderr); (made / "o.csv").write_text("_id\\na\\n"); sys.exit(3)')
    assert failure.value.code == "failed"


def test_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    program = f"""
import subprocess, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path({str(tmp_path / "child")!r}).write_text(str(child.pid))
time.sleep(600)
"""
    with pytest.raises(HeadraceError, match="took more than 2 s"):
        _run(tmp_path, program, timeout_seconds=2)
    pid = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _is_running(pid):
        time.sleep(0.05)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_command_is_checked_before_it_runs(tmp_path: Path) -> None:
    store = open_stage_store(tmp_path)
    rows = put_rows(store, TABLE)
    for command, message in ((["tool"], "no word holds {output}"), ([], "list of words")):
        with pytest.raises(InvalidInput, match=message):
            run_command(store, rows, command=command, folder=tmp_path, scratch=tmp_path / "s", memory_bytes=ROOM_BYTES)
    with pytest.raises(NotFound, match="no-such-program"):
        run_command(
            store,
            rows,
            command=["no-such-program", "{output}"],
            folder=tmp_path,
            scratch=tmp_path / "s",
            memory_bytes=ROOM_BYTES,
        )


def test_environment_is_made_once_and_runs_its_python(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(
        'import sys; open(sys.argv[1] + \'/o.jsonl\', \'w\').write(\'{"_id": "a", "prefix": "%s"}\' % sys.prefix)'
    )
    store = open_stage_store(tmp_path)
    rows = put_rows(store, TABLE)

    def prefix() -> str:
        found = run_command(
            store,
            rows,
            command=["python", "tool.py", "{output}"],
            folder=tmp_path,
            scratch=tmp_path / "scratch",
            memory_bytes=ROOM_BYTES,
            environment=CommandEnvironment(),
            environments=tmp_path / "environments",
        )
        return str(store.table(found.rows).column("prefix")[0].as_py())

    seen = [prefix(), prefix()]
    assert Path(seen[0]).parent == tmp_path / "environments"
    assert seen[0] == seen[1] != sys.prefix
    folders = [path for path in (tmp_path / "environments").iterdir() if path.is_dir()]
    assert len(folders) == 1
    stamp = folders[0] / ".complete"
    stamp.unlink()  # as after a kill in the middle: made anew
    os.truncate(folders[0] / "pyvenv.cfg", 0)
    assert prefix() == seen[0]
    assert stamp.exists()


def test_requirements_that_do_not_install_are_refused_with_the_reason(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("./no-such-folder-here\n")
    store = open_stage_store(tmp_path)
    with pytest.raises(InvalidInput, match="no-such-folder-here"):
        run_command(
            store,
            put_rows(store, TABLE),
            command=["python", "{output}"],
            folder=tmp_path,
            scratch=tmp_path / "scratch",
            memory_bytes=ROOM_BYTES,
            environment=CommandEnvironment(requirements=requirements),
            environments=tmp_path / "environments",
        )


def test_identity_follows_content_not_place(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "tools").mkdir(parents=True)
        (folder / "tools" / "crop.py").write_text("print(1)")
        (folder / "r.txt").write_text("numpy")
        command = ["python", "tools/crop.py", f"--again={folder / 'tools' / 'crop.py'}", "tools", "{input}", "{output}"]
        environment = CommandEnvironment(requirements=folder / "r.txt")
        found.append(command_identity(command, folder=folder, environment=environment))
    assert found[0] == found[1]
    (tmp_path / "two" / "tools" / "crop.py").write_text("print(2)")
    environment = CommandEnvironment(requirements=tmp_path / "two" / "r.txt")
    changed = command_identity(command, folder=tmp_path / "two", environment=environment)
    assert changed != found[0]
    (tmp_path / "two" / "r.txt").write_text("scipy")
    assert command_identity(command, folder=tmp_path / "two", environment=environment) != changed
