"""The disks of this machine write all bytes, however they are cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.storage.disk import SystemDisk


@pytest.mark.parametrize(
    "sizes",
    [[], [0], [1, 0, 2], [700_000], [262_144, 1], [200_000, 100_000, 300_000], [3] * 2000, [0, 262_143, 2, 0]],
)
def test_write_appends_all_bytes_of_all_buffers(sizes: list[int], tmp_path: Path) -> None:
    buffers = [bytes((idx + position) % 251 for position in range(size)) for idx, size in enumerate(sizes)]
    disk = SystemDisk()
    descriptor = disk.create(str(tmp_path / "a"))
    try:
        disk.write(descriptor, [memoryview(buffer) for buffer in buffers])
        disk.write(descriptor, [memoryview(b"end")])
    finally:
        disk.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"".join(buffers) + b"end"
