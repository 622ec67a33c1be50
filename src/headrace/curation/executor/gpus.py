"""Which GPUs this process may use, found without any of the libraries that use them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["gpu_turns", "visible_gpus"]

_ASK_SECONDS = 20.0  # a driver that has to wake up its cards takes several
_UUID = re.compile(r"\(UUID: ([^)]+)\)")


def visible_gpus(
    environment: Mapping[str, str] = os.environ, *, driver: Path = Path("/proc/driver/nvidia/gpus")
) -> tuple[str, ...]:
    """Names of GPUs as CUDA_VISIBLE_DEVICES takes them: numbers, or UUIDs, also of parts of a GPU (MIG).

    Those that CUDA_VISIBLE_DEVICES names where it is set, else those of `nvidia-smi -L`, else those that the driver
    lists.
    """
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return _chosen(chosen)
    asked = _asked(environment)
    if asked:
        return asked
    try:
        return tuple(str(idx) for idx in range(len(os.listdir(driver))))
    except OSError:
        return ()


def gpu_turns(gpus: Sequence[str], need: float) -> tuple[str, ...]:
    """CUDA_VISIBLE_DEVICES of each worker that may run at once where each needs a share of a GPU, or several GPUs.

    Workers that share GPUs come in turns, so that the first ones have one each.
    """
    if need < 1:
        return tuple(gpu for _ in range(int(1 / need + 1e-9)) for gpu in gpus)
    width = round(need)
    return tuple(",".join(gpus[start : start + width]) for start in range(0, len(gpus) - width + 1, width))


def _chosen(value: str) -> tuple[str, ...]:
    """As CUDA reads it: what stands behind a name that is none does not count."""
    found: list[str] = []
    for name in value.split(","):
        name = name.strip()
        if not name or name.startswith("-") or not (name.isdecimal() or name.startswith(("GPU-", "MIG-"))):
            break
        found.append(name)
    return tuple(found)


def _asked(environment: Mapping[str, str]) -> tuple[str, ...]:
    """A GPU that is divided counts by its parts: nothing can use it whole."""
    program = shutil.which("nvidia-smi", path=environment.get("PATH"))
    if program is None:
        return ()
    try:
        done = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    if done.returncode:
        return ()
    found: list[str] = []
    whole: str | None = None
    for line in done.stdout.splitlines():
        uuid = _UUID.search(line)
        if uuid is None:
            continue
        if line.lstrip().startswith("MIG"):
            if whole is not None:
                found.remove(whole)
                whole = None
            found.append(uuid[1])
        else:
            whole = uuid[1]
            found.append(whole)
    return tuple(found)
