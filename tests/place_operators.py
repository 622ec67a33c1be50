"""Operators that say where they run; worker processes import them from here."""

from __future__ import annotations

import functools
import os
import threading
import time
from pathlib import Path

import pyarrow as pa

from headrace.curation import operator

_PLACE = pa.struct([("pid", pa.int64()), ("thread", pa.int64()), ("started", pa.float64()), ("called", pa.float64())])
_inside = threading.Lock()


@operator(name="test.place", outputs={"place": _PLACE}, gil_free=True)
def place(text: str, *, pause: float = 0.0) -> dict[str, dict[str, float]]:
    """Process and thread, when the process was started, and now: seconds since the system was.

    Args:
        pause: Seconds that the call takes at least.
    """
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    called = time.clock_gettime(time.CLOCK_BOOTTIME)
    time.sleep(pause)
    started = ticks / os.sysconf("SC_CLK_TCK")
    return {"place": {"pid": os.getpid(), "thread": threading.get_ident(), "started": started, "called": called}}


@operator(name="test.model", outputs={"loads": pa.int64()}, gil_free=True)
def model(text: str, *, log: str) -> int:
    """Something that takes long to load, and is kept.

    Args:
        log: File that gets a line for each time that it is loaded.
    """
    time.sleep(0.001)
    return _loaded(log)


@functools.cache
def _loaded(log: str) -> int:
    time.sleep(0.3)
    with open(log, "a", encoding="utf-8") as file:
        file.write("loaded\n")
    return 1


@operator(name="test.unshared", outputs={"length": pa.int64()}, gil_free=True)
def unshared(text: str) -> int:
    """Says that threads may call it, and ends the process if two do at once."""
    if not _inside.acquire(blocking=False):
        os._exit(4)
    time.sleep(0.01)
    _inside.release()
    return len(text)


@operator(name="test.gpu", outputs={"device": pa.string()}, gpu=1)
def gpu(text: str, *, meet: str = "") -> str:
    """The GPU that it sees; in the folder `meet` it waits, up to a minute, until calls with two GPUs have come."""
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "any")
    if meet:
        Path(meet, device).touch()
        end = time.monotonic() + 60
        while len(os.listdir(meet)) < 2 and time.monotonic() < end:
            time.sleep(0.01)
    return device


@operator(name="test.gpu_or_not", outputs={"device": pa.string()}, gpu=1, gpu_optional=True)
def gpu_or_not(text: str) -> str:
    """The GPU that it sees, if any."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "any")


@operator(name="test.large", outputs={"length": pa.int64()}, memory_bytes=3 << 30)
def large(text: str) -> int:
    """Letters of the text, by a model of 3 GiB."""
    return len(text)
