"""Commands that delete, restore, hold, purge and collect: what they print, ask and answer."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import headrace
from tests.cli_runs import run, run_json

_ROWS = [{"id": "a", "v": 1}, {"id": "b", "v": 2}, {"id": "c", "v": 3}]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a lake: one dataset of two commits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEADRACE_LAKE", raising=False)
    dataset = headrace.connect("lake").create_dataset(
        "items", type="TABLE", key="id", on_duplicate_key="keep", source=_ROWS
    )
    dataset.commit([{"id": "d", "v": 4}], message="more")
    return tmp_path


def _entries() -> int:
    return len(headrace.connect("lake").audit())


def test_commit_is_deleted_and_restored() -> None:
    before = _entries()
    document = run_json("commit-delete", "lake::items", "2", "--dry-run")
    assert document == {"dataset": "items", "dataset_id": "1", "commit": "2", "num_rows": 1, "dry_run": True}
    assert _entries() == before
    result = run("commit-delete", "lake::items", "2")
    assert "Next: " in result.stderr
    assert "commit-restore lake::items 2" in result.stderr
    assert "deleted already" in run("commit-delete", "lake::items", "2", expect=5).stderr
    assert "there is no commit '7'" in run("commit-delete", "lake::items", "7", expect=3).stderr
    log = run("dataset", "log", "lake::items")
    assert "deleted" in log.stdout
    assert [commit["is_deleted"] for commit in run_json("dataset", "log", "lake::items")["commits"]] == [False, True]
    (listed,) = run_json("dataset", "list", "lake")["datasets"]
    assert (listed["num_commits"], listed["num_rows"], listed["num_deleted_commits"]) == (1, 3, 1)
    assert "1 commit" in run("dataset", "show", "lake::items").stdout
    assert len(run_json("commit-restore", "lake::items", "2")["digest"]) == 64
    run("commit-restore", "lake::items", "2", expect=5)
    assert "state" not in run("dataset", "log", "lake::items").stdout


def test_rows_are_deleted_and_restored() -> None:
    document = run_json("rows", "delete", "lake::items", "--where", "v > 2", "--dry-run")
    assert (document["num_rows"], document["num_visible_rows"], document["dry_run"]) == (2, 2, True)
    assert run_json("rows", "delete", "lake::items", "--where", "v > 2")["num_visible_rows"] == 2
    result = run("rows", "delete", "lake::items", "--key", "a", "--key", "1:b")
    assert "2 rows" in result.stdout
    assert "rows restore lake::items --key a --key 1:b" in result.stderr
    assert run_json("rows", "delete", "lake::items", "--where", "true")["num_rows"] == 0
    shown = run("dataset", "show", "lake::items").stdout
    assert "4 rows" in shown
    assert run_json("dataset", "show", "lake::items")["num_deleted_rows"] == 4
    assert "no row with the key 'zz'" in run("rows", "delete", "lake::items", "--key", "zz", expect=3).stderr
    assert run_json("rows", "restore", "lake::items", "--key", "a")["num_rows"] == 1
    assert run_json("rows", "restore", "lake::items")["num_visible_rows"] == 4
    for words in (["delete"], ["delete", "--where", "v = 1", "--key", "a"], ["restore", "--where", "v", "--key", "a"]):
        assert "which rows?" in run("rows", words[0], "lake::items", *words[1:], expect=2).stderr
    run("rows", "delete", "lake::items", "--where", "nonsense(", expect=2)


def test_revert_hides_later_commits() -> None:
    before = _entries()
    document = run_json("dataset", "revert", "lake::items", "--to", "1", "--dry-run")
    assert (document["commits"], document["num_rows"], document["num_rows_before"]) == (["1"], 3, 4)
    assert _entries() == before
    assert "dataset log lake::items" in run("dataset", "revert", "lake::items", "--to", "1").stderr
    assert headrace.connect("lake").dataset("items").num_rows == 3
    run("dataset", "revert", "lake::items", "--to", "9", expect=3)
    run("dataset", "revert", "lake::items", expect=2)


def test_dataset_is_deleted_listed_and_restored() -> None:
    assert run_json("dataset", "delete", "lake::items", "--dry-run")["num_rows"] == 4
    assert "dataset restore lake::items" in run("dataset", "delete", "lake::items").stderr
    assert run_json("dataset", "list", "lake")["datasets"] == []
    assert "dataset restore" in run("dataset", "show", "lake::items", expect=3).stderr
    (listed,) = run_json("dataset", "list", "lake", "--deleted")["datasets"]
    assert (listed["id"], listed["name"], listed["num_rows"]) == ("1", "items", 4)
    assert "dataset restore lake::1" in run("dataset", "list", "lake", "--deleted").stderr
    headrace.connect("lake").create_dataset("items", type="GENERIC")
    assert "--as NAME" in run("dataset", "restore", "lake::1", expect=5).stderr
    assert run_json("dataset", "restore", "lake::1", "--as", "old")["name"] == "old"
    assert "dataset list lake" in run("dataset", "list", "lake", "--deleted").stderr
    run("dataset", "restore", "lake::nothing", expect=3)


def test_purge_needs_yes_where_nobody_can_be_asked() -> None:
    would = run_json("dataset", "purge", "lake::items", "--dry-run")
    assert would["num_bytes"] > 0
    refused = run("dataset", "purge", "lake::items", expect=2)
    assert "--yes" in refused.stderr
    assert headrace.connect("lake").dataset("items").num_rows == 4
    assert run_json("dataset", "purge", "lake::items", "--yes")["num_bytes"] == would["num_bytes"]
    run("dataset", "purge", "lake::items", "--yes", expect=3)
    told = run("audit", "lake").stdout
    assert "purge-dataset" in told
    assert run_json("audit", "lake", "--dataset", "items")["entries"][-1]["operation"] == "close"
    assert run_json("verify", "lake")["num_datasets"] == 1


def test_hold_refuses_purge_and_collection() -> None:
    assert run_json("dataset", "hold", "lake::items", "--reason", "case 4711")["hold"] == "case 4711"
    assert "case 4711" in run("dataset", "show", "lake::items").stdout
    assert "case 4711" in run("dataset", "purge", "lake::items", "--yes", expect=4).stderr
    assert run_json("gc", "lake", "--grace", "0")["skipped"] == ["items: case 4711"]
    run("rows", "delete", "lake::items", "--key", "a")
    released = run_json("dataset", "release", "lake::items")
    assert (released["hold"], released["was_held_for"]) == (None, "case 4711")
    assert "there was no hold" in run("dataset", "release", "lake::items").stdout
    run("dataset", "hold", "lake::items", expect=2)
    run("dataset", "hold", "lake::items", "--reason", " ", expect=2)


def test_forgotten_snapshot_is_collected() -> None:
    dataset = headrace.connect("lake").dataset("items")
    snapshot = dataset.snapshot(where="v > 1")
    reference = f"lake::items@id:{snapshot.id[:12]}"
    assert run_json("dataset", "forget", reference, "--dry-run")["snapshot"] == snapshot.id
    assert dataset.snapshots == [snapshot.id]
    assert "gc lake --dry-run" in run("dataset", "forget", reference).stderr
    assert run_json("dataset", "show", "lake::items")["snapshots"] == []
    assert "@id:HEX" in run("dataset", "forget", "lake::items", expect=2).stderr
    run("dataset", "forget", reference, expect=3)
    dataset.snapshot().alias("prod")
    for words in ([], ["--dry-run"]):
        prod = f"lake::items@id:{dataset.aliases['prod'][:12]}"
        assert "alias prod" in run("dataset", "forget", prod, *words, expect=5).stderr
    assert run_json("gc", "lake")["num_young"] == 1
    dry = run_json("gc", "lake", "--grace", "0", "--dry-run")
    assert (dry["num_objects"], dry["dry_run"], dry["objects"][0]["reason"]) == (1, True, "no entry refers to it")
    shown = run("gc", "lake", "--grace", "0", "--dry-run")
    assert dry["objects"][0]["key"] in shown.stdout
    assert "gc lake --grace 0" in shown.stderr
    assert run_json("gc", "lake", "--grace", "0")["objects"] == dry["objects"]
    assert "verify lake" in run("gc", "lake", "--grace", "0").stderr
    run("gc", "lake", "--grace", "-1", expect=2)
    run("gc", "nowhere", expect=3)
    assert run_json("verify", "lake")["problems"] == []


@pytest.mark.parametrize(("answer", "exit_code", "left"), [("n", 1, 1), ("y", 0, 0)])
def test_terminal_is_asked(answer: str, exit_code: int, left: int) -> None:
    """On a real terminal, once: with --yes nobody is asked."""
    main, side = pty.openpty()
    try:
        os.write(main, f"{answer}\n".encode())
        child = subprocess.run(
            [sys.executable, "-m", "headrace.cli", "dataset", "purge", "lake::items"],
            stdin=side, stdout=subprocess.PIPE, stderr=side, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(side)
    asked = _read_to_the_end(main)
    assert "for ever?" in asked, asked
    assert child.returncode == exit_code, asked
    assert len(headrace.connect("lake").datasets()) == left


def _read_to_the_end(terminal: int) -> str:
    pieces = []
    with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as file:  # its end is an error on Linux
        while piece := file.read(10_000):
            pieces.append(piece)
    return b"".join(pieces).decode()
