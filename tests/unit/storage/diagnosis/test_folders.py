"""A folder: there or not, with room or without, on file systems that can and cannot."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from headrace.storage.diagnosis.diagnosing import diagnose
from headrace.storage.diagnosis.folders import FolderChecks
from headrace.storage.diagnosis.mounts import Mount
from headrace.storage.diagnosis.results import CheckResult
from headrace.storage.diagnosis.running import run_checks
from headrace.storage.disk import SystemDisk


class _NoLinks(SystemDisk):
    def link(self, source: str, target: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")


def _run(checks: FolderChecks) -> dict[str, CheckResult]:
    try:
        found = run_checks([*checks.place_checks(), *checks.disk_checks(needs=("folder",))], is_read_only=False)
    finally:
        assert checks.clean_up() == []
    return {result.name: result for result in found}


@pytest.mark.parametrize("path", ["lake", "a/b/lake"])
def test_folder_that_is_not_there_yet_can_be_and_still_is_not(path: str, tmp_path: Path) -> None:
    diagnosis = diagnose(tmp_path / path)
    assert {result.status for result in diagnosis.results} <= {"ok", "warn"}  # what /tmp lies on is not ours
    assert diagnosis["folder"].value == "not there yet, may be created"
    assert list(tmp_path.iterdir()) == []


def test_folder_with_files_keeps_just_them(tmp_path: Path) -> None:
    (tmp_path / "headrace.json").write_text("{}")
    diagnosis = diagnose(str(tmp_path))
    assert diagnosis.is_ok
    assert diagnosis["list"].value.startswith("a lake; ")
    assert [path.name for path in tmp_path.iterdir()] == ["headrace.json"]


def test_read_only_touches_nothing(tmp_path: Path) -> None:
    before = os.stat(tmp_path).st_mtime_ns
    diagnosis = diagnose(tmp_path, is_read_only=True)
    assert diagnosis["fsync"].status == "skip"
    assert diagnosis["free space"].status != "skip"
    assert os.stat(tmp_path).st_mtime_ns == before


def test_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    diagnosis = diagnose(tmp_path / "file" / "lake")
    assert diagnosis["folder"].status == "fail"
    assert diagnosis["folder"].detail == str(tmp_path / "file")
    assert {result.status for result in diagnosis.results[2:]} == {"skip"}


def test_missing_hard_links_fail_with_a_remedy(tmp_path: Path) -> None:
    found = _run(FolderChecks(str(tmp_path), disk=_NoLinks()))["hard links"]
    assert found.status == "fail"
    assert "local file system such as" in str(found.finding.remedy)


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("ext4", "ok", ""),
        ("nfs4", "warn", "network file system"),
        ("tmpfs", "warn", "gone when this machine restarts"),
        ("overlay", "warn", "container"),
    ],
)
def test_file_system_is_judged_by_its_kind(kind: str, status: str, words: str, tmp_path: Path) -> None:
    found = _run(FolderChecks(str(tmp_path), mount_of=lambda folder: Mount("/", kind)))["file system"]
    assert found.status == status
    assert words in str(found.finding.detail)
    assert found.finding.value == f"{kind} at /"


def test_system_that_names_no_file_system_leaves_it_unknown(tmp_path: Path) -> None:
    assert _run(FolderChecks(str(tmp_path), mount_of=lambda folder: None))["file system"].status == "unknown"


def test_slow_fsync_warns(tmp_path: Path) -> None:
    moments = iter(number * 0.06 for number in range(1000))
    found = _run(FolderChecks(str(tmp_path), timer=lambda: next(moments)))["fsync"]
    assert found.status == "warn"
    assert found.finding.value == "60 ms (longest 60 ms)"
    assert found.finding.measured["count"] == 16
