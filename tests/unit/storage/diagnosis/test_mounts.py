"""Which file system a folder lies on, from tables as kernels write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.storage.diagnosis.mounts import Mount, find_mount

_TABLE = r"""21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:26 / /data rw shared:13 - nfs4 server:/export rw,vers=4.2
31 30 0:27 / /data/with\040space rw - xfs /dev/sdb rw
32 21 0:28 / /twice rw - ext4 /dev/sdc rw
33 32 0:29 / /twice rw - tmpfs tmpfs rw
34 21 0:30 / /da rw - overlay overlay rw
not a line
"""


@pytest.mark.parametrize(
    ("folder", "kind", "family"),
    [
        ("/home/me", "ext4", "disk"),
        ("/data", "nfs4", "network"),
        ("/data/lake", "nfs4", "network"),
        ("/database", "ext4", "disk"),
        ("/data/with space/lake", "xfs", "disk"),
        ("/twice/a", "tmpfs", "memory"),
        ("/da/b", "overlay", "overlay"),
    ],
)
def test_mount_of_folder_is_the_nearest_and_last(folder: str, kind: str, family: str, tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(_TABLE)
    mount = find_mount(folder, table=table)
    assert mount is not None
    assert (mount.kind, mount.family) == (kind, family)


def test_system_without_a_table_does_not_tell(tmp_path: Path) -> None:
    assert find_mount("/", table=tmp_path / "none") is None


def test_kinds_of_file_systems_that_mount_buckets_count_as_network() -> None:
    assert Mount("/bucket", "fuse.s3fs").family == "network"
