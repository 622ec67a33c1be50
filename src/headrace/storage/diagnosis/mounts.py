"""Which file system a folder lies on, and what kind that is.

Source: https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Mount", "find_mount"]

_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "davfs", "fuse.gcsfuse", "fuse.glusterfs", "fuse.goofys", "fuse.rclone",
    "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "mount-s3", "ncpfs", "nfs", "nfs4", "orangefs", "smb3",
    "smbfs", "virtiofs", "vboxsf", "wekafs",
}  # fmt: skip
_MEMORY = {"tmpfs", "ramfs"}
_OVERLAY = {"overlay", "aufs"}


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system."""

    point: str
    kind: str  # as the kernel names it: "ext4"

    @property
    def family(self) -> Literal["disk", "network", "memory", "overlay"]:
        """What it means for data that are to stay."""
        if self.kind in _NETWORK:
            return "network"
        if self.kind in _MEMORY:
            return "memory"
        return "overlay" if self.kind in _OVERLAY else "disk"


def find_mount(folder: str, *, table: Path = Path("/proc/self/mountinfo")) -> Mount | None:
    """The mount that holds `folder`; None where the system has no such table."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    path = os.path.realpath(folder)
    found: Mount | None = None
    for line in lines:
        before, separator, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4])
        is_above = path == point or path.startswith(point.rstrip("/") + "/")
        # Of mounts at one point the last one hides the others.
        if is_above and (found is None or len(point) >= len(found.point)):
            found = Mount(point, kinds[0])
    return found
