"""The Debian packages of the gateway, installed with apt-get where that is possible."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

__all__ = ["PACKAGES", "PROGRAMS", "PackagesMissing", "install_packages", "missing_programs"]

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-common")
PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")


class PackagesMissing(RuntimeError):
    """The gateway's programs are not there and could not be installed; the message says what to do."""


def missing_programs() -> list[str]:
    """Programs that are not found in PATH."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def install_packages(*, timeout_seconds: float = 900) -> None:
    """Install the packages unless all programs are there.

    Raises:
        PackagesMissing: No apt-get here, not root, or apt-get failed.
    """
    missing = missing_programs()
    if not missing:
        return
    by_hand = f"apt-get install --no-install-recommends {' '.join(PACKAGES)}"
    if shutil.which("apt-get") is None:
        raise PackagesMissing(
            f"{', '.join(missing)} not found, and this system has no apt-get. Install Ceph's gateway "
            f"(Debian: {by_hand}), or run on Debian 12"
        )
    if os.geteuid() != 0:
        raise PackagesMissing(
            f"{', '.join(missing)} not found, and only root may install packages. Run: sudo {by_hand}"
        )
    print(f"Installing {' '.join(PACKAGES)} (once) ...", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        call = ["apt-get", "-qq", *words]
        try:
            done = subprocess.run(
                call, env=environment, capture_output=True, text=True, timeout=timeout_seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise PackagesMissing(f"{' '.join(call)} did not end within {timeout_seconds:.0f} s") from None
        if done.returncode != 0:
            raise PackagesMissing(f"{' '.join(call)} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    if still := missing_programs():
        raise PackagesMissing(f"the packages are installed, but {', '.join(still)} is not in PATH")
