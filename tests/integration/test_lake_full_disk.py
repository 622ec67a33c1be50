"""A disk that is full or fails: a typed error, nothing half done to be seen, and the next try goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import headrace
from headrace.datasets.lake import Lake
from headrace.errors import PermissionDenied, Unavailable
from headrace.storage.local import LocalStore
from tests.lake_writers import CountingDisk, rows_of, write_story

_CODES = {
    "create": errno.ENOSPC,
    "write": errno.ENOSPC,
    "make_folder": errno.ENOSPC,
    "link": errno.EDQUOT,
    "sync_file": errno.EIO,
    "sync_folder": errno.EIO,
}


def _failing(failing: str, occurrence: int) -> CountingDisk:
    """Fails once, the given time that a step of this name comes. (Threads write, so the order of all steps varies.)"""
    left = occurrence

    def fail(number: int, name: str) -> None:
        nonlocal left
        if name == failing:
            left -= 1
            if left == -1:
                raise OSError(_CODES[name], os.strerror(_CODES[name]))

    return CountingDisk(fail)


def _visible(root: Path) -> list[str]:
    return [commit.digest for dataset in headrace.connect(root).datasets() for commit in dataset.log()]


@pytest.mark.parametrize("name", _CODES)
def test_disk_that_fails_at_a_step_leaves_a_whole_lake(tmp_path: Path, name: str) -> None:
    disk = CountingDisk()
    write_story(tmp_path / "whole", disk=disk)
    whole = _visible(tmp_path / "whole")
    for occurrence in range(0, disk.steps.count(name) - 1, 3):
        root = tmp_path / str(occurrence)
        with pytest.raises(Unavailable) as caught:
            write_story(root, disk=_failing(name, occurrence))
        assert str(tmp_path) in str(caught.value)
        assert os.strerror(_CODES[name]) in str(caught.value)
        assert _visible(root) in [whole[:length] for length in range(len(whole) + 1)]
        lake = headrace.connect(root)
        assert not lake.exists or lake.verify().ok
        write_story(root)
        assert _visible(root) == whole
        assert headrace.connect(root).verify().ok


def test_full_disk_is_told_with_the_remedy_and_the_same_lake_goes_on(tmp_path: Path) -> None:
    is_full = False

    def fail(number: int, name: str) -> None:
        if is_full and name == "write":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lake = Lake(LocalStore(tmp_path / "lake", disk=CountingDisk(fail)))
    dataset = lake.create_dataset("photos", type="IMAGE_CLASS", source=rows_of(1))
    before = sorted(path for path in (tmp_path / "lake").rglob("*") if path.is_file())
    is_full = True
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"no room to write .*nothing was committed.*Free space, then try again"):
            dataset.commit(rows_of(2))
    with pytest.raises(Unavailable, match="no room"):
        lake.create_dataset("more", type="GENERIC")
    assert len(dataset.log()) == 1
    assert sorted(path for path in (tmp_path / "lake").rglob("*") if path.is_file()) == before
    is_full = False
    assert dataset.commit(rows_of(2)).id == "2"
    assert lake.create_dataset("more", type="GENERIC").id == "2"
    assert lake.verify().ok


def test_failed_sync_stops_all_writing_until_the_lake_is_opened_again(tmp_path: Path) -> None:
    """After a failed sync the system may report the next one as done although bytes are lost."""
    is_broken = False

    def fail(number: int, name: str) -> None:
        if is_broken and name == "sync_file":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    lake = Lake(LocalStore(tmp_path / "lake", disk=CountingDisk(fail)))
    dataset = lake.create_dataset("photos", type="IMAGE_CLASS", source=rows_of(1))
    is_broken = True
    with pytest.raises(Unavailable, match="failed to store data"):
        dataset.commit(rows_of(2))
    is_broken = False
    with pytest.raises(Unavailable, match="nothing more is written"):
        dataset.commit(rows_of(2))
    assert dataset.select().to_arrow().num_rows == 3, "what is there can be read"
    again = headrace.connect(tmp_path / "lake").dataset("photos")
    assert again.commit(rows_of(2)).id == "2"
    assert again.lake.verify().ok


def test_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    def fail(number: int, name: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    lake = Lake(LocalStore(tmp_path / "lake", disk=CountingDisk(fail)))
    with pytest.raises(PermissionDenied, match="Check the owner and mode"):
        lake.create_dataset("photos", type="IMAGE_CLASS")
    assert not lake.exists
