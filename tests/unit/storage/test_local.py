"""The local store: the order of its steps, full and failing disks, other file systems, cached descriptors."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from headrace.errors import Conflict, InvalidInput, NotFound, PermissionDenied, Unavailable
from headrace.storage.disk import SystemDisk
from headrace.storage.local import LocalStore


class VolatileDisk(SystemDisk):
    """Knows what a power cut would take: bytes and names that no sync has followed."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self._paths: dict[int, str] = {}
        self.volatile_bytes: set[int] = set()  # inodes
        self.volatile_names: set[str] = set()  # paths

    def create(self, path: str) -> int:
        self.steps.append("create")
        descriptor = super().create(path)
        self.volatile_names.add(path)
        return descriptor

    def write(self, descriptor: int, buffers: Sequence[memoryview]) -> None:
        self.steps.append("write")
        self.volatile_bytes.add(os.fstat(descriptor).st_ino)
        super().write(descriptor, buffers)

    def sync_file(self, descriptor: int) -> None:
        self.steps.append("sync_file")
        super().sync_file(descriptor)
        self.volatile_bytes.discard(os.fstat(descriptor).st_ino)

    def link(self, source: str, target: str) -> None:
        self.steps.append("link")
        super().link(source, target)
        self.volatile_names.add(target)
        assert os.stat(target).st_ino not in self.volatile_bytes, "an object became visible before its bytes were safe"

    def unlink(self, path: str) -> None:
        super().unlink(path)
        self.volatile_names.discard(path)

    def make_folder(self, path: str) -> None:
        super().make_folder(path)
        self.volatile_names.add(path)

    def sync_folder(self, path: str) -> None:
        self.steps.append("sync_folder")
        super().sync_folder(path)
        self.volatile_names = {name for name in self.volatile_names if os.path.dirname(name) != path}

    def would_survive(self, path: Path) -> bool:
        names = {str(path), *(str(parent) for parent in path.parents)}
        return not (names & self.volatile_names) and os.stat(path).st_ino not in self.volatile_bytes


class FailingDisk(SystemDisk):
    """Fails one step with an error number, as often as told."""

    def __init__(self, step: str, number: int, *, times: int = 1000) -> None:
        self._step = step
        self._number = number
        self._times = times

    def _maybe_fail(self, step: str) -> None:
        if step == self._step and self._times > 0:
            self._times -= 1
            raise OSError(self._number, os.strerror(self._number))

    def create(self, path: str) -> int:
        self._maybe_fail("create")
        return super().create(path)

    def write(self, descriptor: int, buffers: Sequence[memoryview]) -> None:
        if self._step == "write":
            super().write(descriptor, [buffers[0][: buffers[0].nbytes // 2]])  # half of it fits
        self._maybe_fail("write")
        super().write(descriptor, buffers)

    def sync_file(self, descriptor: int) -> None:
        self._maybe_fail("sync_file")
        super().sync_file(descriptor)

    def link(self, source: str, target: str) -> None:
        self._maybe_fail("link")
        super().link(source, target)

    def sync_folder(self, path: str) -> None:
        self._maybe_fail("sync_folder")
        super().sync_folder(path)


def _files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_acknowledged_objects_survive_a_power_cut(tmp_path: Path) -> None:
    """New folders at every level included, those above the root too."""
    disk = VolatileDisk()
    root = tmp_path / "new" / "lake"
    store = LocalStore(root, disk=disk)
    keys = ["headrace.json", "log/0000000001.json", "datasets/a/objects/ab/x", "datasets/a/objects/cd/y", "log/2"]
    for key in keys:
        assert store.put_new(key, key.encode())
        assert disk.would_survive(root / key)
    store.put("datasets/b/objects/ab/z", b"z")
    assert all(disk.would_survive(root / key) for key in [*keys, "datasets/b/objects/ab/z"])


def test_prepared_store_survives_a_power_cut(tmp_path: Path) -> None:
    disk = VolatileDisk()
    store = LocalStore(tmp_path / "a" / "lake", disk=disk)
    store.prepare_for_writing()
    store.put("x", b"1")
    assert disk.would_survive(tmp_path / "a" / "lake" / "x")


def test_put_new_syncs_before_it_links_and_after(tmp_path: Path) -> None:
    disk = VolatileDisk()
    store = LocalStore(tmp_path, disk=disk)
    store.put_new("a", b"1")
    disk.steps.clear()
    store.put_new("b", b"2")
    assert disk.steps == ["create", "write", "sync_file", "link", "sync_folder"]


def test_put_makes_an_object_of_a_dead_writer_durable(tmp_path: Path) -> None:
    """It was written, but its writer was killed before it could sync."""
    (tmp_path / "objects" / "ab").mkdir(parents=True)
    found = tmp_path / "objects" / "ab" / "x"
    found.write_bytes(b"content")
    disk = VolatileDisk()
    disk.volatile_bytes.add(found.stat().st_ino)
    disk.volatile_names |= {str(found), str(found.parent), str(found.parent.parent)}
    LocalStore(tmp_path, disk=disk).put("objects/ab/x", b"content")
    assert disk.would_survive(found)
    assert "create" not in disk.steps


def test_a_taken_name_is_durable_before_the_loser_hears_of_it(tmp_path: Path) -> None:
    """The loser builds its own entry on the winner's."""
    LocalStore(tmp_path).put_new("log/1", b"winner")
    disk = VolatileDisk()
    disk.volatile_names |= {str(tmp_path / "log" / "1"), str(tmp_path / "log")}
    assert not LocalStore(tmp_path, disk=disk).put_new("log/1", b"loser")
    assert disk.would_survive(tmp_path / "log" / "1")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("step", ["create", "write", "link"])
def test_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path, step: str, number: int) -> None:
    store = LocalStore(tmp_path, disk=FailingDisk(step, number, times=2))
    for _ in range(2):
        with pytest.raises(Unavailable, match="nothing was committed") as caught:
            store.put_new("log/0000000001.json", b"x" * 100)
        assert str(tmp_path / "log/0000000001.json") in str(caught.value)
        assert _files(tmp_path) == []
    assert store.put_new("log/0000000001.json", b"x" * 100)  # there is room again


def test_failed_sync_of_the_bytes_is_final(tmp_path: Path) -> None:
    """A second fsync would report success although the kernel has dropped the pages."""
    store = LocalStore(tmp_path, disk=FailingDisk("sync_file", errno.EIO, times=1))
    with pytest.raises(Unavailable, match="fsync"):
        store.put_new("log/1", b"x")
    assert _files(tmp_path) == []
    with pytest.raises(Unavailable, match="open the lake again"):
        store.put_new("log/1", b"x")
    with pytest.raises(Unavailable):
        store.put("objects/ab/x", b"x")
    assert _files(tmp_path) == []


def test_failed_sync_of_the_folder_is_not_success_on_retry(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    LocalStore(tmp_path).put("objects/a", b"1")

    class FolderFails(SystemDisk):
        def sync_folder(self, path: str) -> None:
            if path.endswith("objects"):
                raise OSError(errno.EIO, "Input/output error")
            super().sync_folder(path)

    store = LocalStore(tmp_path, disk=FolderFails())
    for content in [b"2", b"2"]:
        with pytest.raises(Unavailable, match="unknown"):
            store.put("objects/b", content)
    assert store.get("objects/b") == b"2"  # what was written is never removed


def test_failed_sync_of_a_deduplicated_object_is_final(tmp_path: Path) -> None:
    LocalStore(tmp_path).put("objects/a", b"1")
    store = LocalStore(tmp_path, disk=FailingDisk("sync_file", errno.EIO, times=1))
    for _ in range(2):
        with pytest.raises(Unavailable, match="fsync"):
            store.put("objects/a", b"1")


@pytest.mark.parametrize("damage", ["truncated", "one bit"])
def test_put_replaces_a_rotten_object(tmp_path: Path, damage: str) -> None:
    """A commit must not be acknowledged on top of bytes that nobody can read."""
    store = LocalStore(tmp_path)
    store.put("objects/a", b"12345")
    (tmp_path / "objects" / "a").write_bytes(b"123" if damage == "truncated" else b"12346")
    store.put("objects/a", b"12345")
    assert store.get("objects/a") == b"12345"


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_system_without_hard_links_is_refused(tmp_path: Path, number: int) -> None:
    store = LocalStore(tmp_path / "lake", disk=FailingDisk("link", number))
    for _ in range(2):
        with pytest.raises(Conflict, match="no hard links"):
            store.prepare_for_writing()
    assert _files(tmp_path) == []


def test_file_system_that_links_over_files_is_refused(tmp_path: Path) -> None:
    class Overwriting(SystemDisk):
        def link(self, source: str, target: str) -> None:
            os.unlink(target) if os.path.exists(target) else None
            super().link(source, target)

    with pytest.raises(Conflict, match="a name that is in use"):
        LocalStore(tmp_path, disk=Overwriting()).prepare_for_writing()
    assert _files(tmp_path) == []


def test_file_system_that_cannot_sync_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="cannot sync"):
        LocalStore(tmp_path, disk=FailingDisk("sync_folder", errno.EINVAL)).prepare_for_writing()


def test_constructor_and_reading_create_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "lake")
    assert list(store.list("")) == []
    assert store.stat("x") is None
    with pytest.raises(NotFound, match="lake/x does not exist"):
        store.get("x")
    store.delete("x")
    assert list(tmp_path.iterdir()) == []


def test_prepare_removes_only_stale_temporary_files(tmp_path: Path) -> None:
    folder = tmp_path / ".tmp"
    folder.mkdir()
    (folder / "stale").write_bytes(b"1")
    (folder / "fresh").write_bytes(b"1")
    (tmp_path / "old").write_bytes(b"1")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(folder / "stale", (two_days_ago, two_days_ago))
    os.utime(tmp_path / "old", (two_days_ago, two_days_ago))
    LocalStore(tmp_path).prepare_for_writing()
    assert _files(tmp_path) == [".tmp/fresh", "old"]


def test_list_hides_temporary_files(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"1")
    (tmp_path / ".tmp" / "half-written").write_bytes(b"1")
    assert [found.key for found in store.list("")] == ["a"]


def test_list_goes_into_no_linked_folder(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "lake")
    store.put("a/b", b"1")
    (tmp_path / "lake" / "a" / "loop").symlink_to(tmp_path / "lake")
    (tmp_path / "lake" / "nowhere").symlink_to(tmp_path / "missing")
    assert [found.key for found in store.list("")] == ["a/b"]


def test_object_and_folder_cannot_share_a_name(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a/b", b"1")
    for write in (store.put_new, store.put):
        with pytest.raises(InvalidInput, match="bears this name"):
            write("a", b"1")
        with pytest.raises(InvalidInput, match="bears this name"):
            write("a/b/c/d", b"1")
    assert store.stat("a") is None


def test_pipe_is_no_object(tmp_path: Path) -> None:
    """Opening one would wait for its writer for ever."""
    os.mkfifo(tmp_path / "pipe")
    store = LocalStore(tmp_path)
    assert store.stat("pipe") is None
    assert list(store.list("")) == []
    with pytest.raises(NotFound):
        store.get("pipe")
    with pytest.raises(InvalidInput):
        store.put("pipe", b"1")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_refused_folders_are_permission_denied(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    os.chmod(tmp_path / "lake", stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(PermissionDenied, match="lake"):
        LocalStore(tmp_path / "lake").put_new("a", b"1")
    with pytest.raises(PermissionDenied, match="lake"):
        LocalStore(tmp_path / "lake").prepare_for_writing()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_read_only_file_system_is_permission_denied(tmp_path: Path, number: int) -> None:
    with pytest.raises(PermissionDenied, match="cannot write"):
        LocalStore(tmp_path, disk=FailingDisk("create", number)).put_new("a", b"1")


def test_root_below_a_file_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput):
        LocalStore(tmp_path / "file" / "lake").put_new("a", b"1")


def test_store_recreates_folders_that_were_removed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "lake")
    store.put("objects/ab/x", b"1")
    for folder in ["objects/ab", "objects", ".tmp"]:
        for file in (tmp_path / "lake" / folder).iterdir():
            file.unlink()
        (tmp_path / "lake" / folder).rmdir()
    (tmp_path / "lake").rmdir()
    store.put("objects/ab/x", b"2")
    assert store.get("objects/ab/x") == b"2"


def test_reading_more_files_than_stay_open(tmp_path: Path) -> None:
    """Descriptors are evicted while other threads read from them, and none stays behind."""
    store = LocalStore(tmp_path, max_open_files=4)
    for number in range(20):
        store.put(f"objects/{number}", b"%04d" % number * 100)
    barrier = threading.Barrier(6)
    wrong: list[int] = []

    def read(seed: int) -> None:
        barrier.wait(timeout=30)
        for step in range(200):
            number = (seed * 7 + step) % 20
            if store.get_ranges(f"objects/{number}", [(0, 4), (396, 400)]) != [b"%04d" % number] * 2:
                wrong.append(number)
            if store.get(f"objects/{number}") != b"%04d" % number * 100:
                wrong.append(number)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert _num_open_files(tmp_path) <= 4


def _num_open_files(folder: Path) -> int:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():  # not Linux
        return 0
    links = [os.path.realpath(link) for link in descriptors.iterdir()]
    return sum(target.startswith(str(folder)) for target in links)


def test_replaced_file_is_read_anew(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a", b"old")
    assert store.get_ranges("a", [(0, 3)]) == [b"old"]
    (tmp_path / "b").write_bytes(b"new")
    os.replace(tmp_path / "b", tmp_path / "a")
    assert store.get_ranges("a", [(0, 3)]) == [b"new"]
    (tmp_path / "a").unlink()
    with pytest.raises(NotFound):
        store.get_ranges("a", [(0, 3)])


def test_many_small_ranges_are_fast(tmp_path: Path) -> None:
    """1,000 ranges of 20 KB take some 5 ms when warm; the limit leaves room for a busy machine."""
    store = LocalStore(tmp_path)
    content = os.urandom(1_000_000) * 20
    store.put("shard", content)
    ranges = [(number * 19_000, number * 19_000 + 20_000) for number in range(1000)]
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        found = store.get_ranges("shard", ranges)
        seconds.append(time.perf_counter() - started)
    assert found == [content[start:end] for start, end in ranges]
    assert min(seconds) < 0.1
