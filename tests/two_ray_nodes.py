"""A Ray cluster of two nodes on this machine, and what runs on it."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["TwoNodes", "pids_of", "two_nodes", "wait_until"]

_STORE_BYTES = 100 << 20
_QUICK = {  # a node that is gone is noticed after ten seconds; sooner, and one that is slow counts as gone
    "health_check_period_ms": 1_000,
    "health_check_failure_threshold": 10,
}


@dataclass
class TwoNodes:
    """The head, which this process is connected to, and another node; each has one CPU."""

    cluster: Any
    other: Any

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def kill_other(self) -> None:
        """SIGKILL to all processes of the node."""
        self.cluster.remove_node(self.other, allow_graceful=False)

    def replace_other(self) -> None:
        self.other = self.cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES)
        self.cluster.wait_for_nodes()


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Ended on every path."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES, include_dashboard=False, _system_config=_QUICK)
        nodes = TwoNodes(cluster, cluster.add_node(num_cpus=1, object_store_memory=_STORE_BYTES))
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        cluster.wait_for_nodes()
        yield nodes
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call, unused-ignore]


def pids_of(title: str) -> list[int]:
    """Processes whose command line contains it."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if title in command and int(place.parent.name) != os.getpid():
            found.append(int(place.parent.name))
    return found


def wait_until(is_so: Callable[[], bool], *, seconds: float = 240.0) -> None:
    """Return when it is so; fails if that does not come."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)


def kill(pid: int) -> None:
    """SIGKILL; harmless if it is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended by itself
