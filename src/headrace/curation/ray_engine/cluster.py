"""The Ray cluster of a run: one that is there already, or one on this machine that ends with the run."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

from headrace.curation.ray_engine.owned_folders import make_owned_folder
from headrace.errors import InvalidInput, MissingExtra, Unavailable

__all__ = ["ADDRESS_VARIABLE", "FOLDER_PREFIX", "LOCAL", "RayCluster", "require_ray"]

ADDRESS_VARIABLE = "RAY_ADDRESS"
"""Ray's own: jobs that `ray job submit` starts have it set."""

LOCAL = "local"
"""The address that means: start one on this machine."""

FOLDER_PREFIX = "headrace-ray-"
"""Of the folder of a cluster that a run started, with its sockets and logs."""

_CONNECT_SECONDS = 5.0
_MOST_LETTERS = 24
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told of this run
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # as without Ray: what declares no GPU sees those of its machine
}


def require_ray() -> None:
    """Raise `MissingExtra` if Ray is not installed; does not import it."""
    try:
        is_there = importlib.util.find_spec("ray") is not None
    except ValueError:  # somebody has put something else in its place
        is_there = False
    if not is_there:
        raise MissingExtra("engine='ray' needs Ray: pip install 'headrace[ray]'")


class RayCluster:
    """Connects when it is first asked for something. Not thread-safe; `close` it on every path."""

    def __init__(self, address: str | None, *, num_workers: int | None) -> None:
        """
        Args:
            address: host:port of a cluster, "auto" or "local"; None: that of RAY_ADDRESS, else "local".
            num_workers: Tasks at once; None: one for each CPU of the cluster.

        Raises:
            MissingExtra: Ray is not installed.
            InvalidInput: An address that Ray's tasks cannot be used from.
        """
        require_ray()
        self.address = address or os.environ.get(ADDRESS_VARIABLE) or LOCAL
        if self.address.startswith("ray://"):
            raise InvalidInput(
                f"Ray's address is {self.address!r}, that of a Ray client, which has no access to the cluster's "
                "objects. Give host:port of the head node (often port 6379), and run on a machine of the cluster, as "
                "'ray job submit' does"
            )
        self._num_workers = num_workers
        self._api: Any = None
        self._is_ours = False
        self._folder: Path | None = None

    @property
    def api(self) -> Any:
        """The module `ray`, connected.

        Raises:
            Unavailable: No cluster answers, or this machine is none of its nodes.
        """
        if self._api is None:
            self._api = self._connected()
        return self._api

    @property
    def scratch(self) -> str | None:
        """Where its processes may leave files that the end of the run removes; None: each node's temporary folder."""
        return None if self._folder is None else str(self._folder)

    @property
    def num_workers(self) -> int:
        """Tasks at once, at most."""
        if self._num_workers is not None:
            return self._num_workers
        if self.address == LOCAL and self._api is None:
            return os.cpu_count() or 1
        return max(1, int(sum(node.get("CPU", 0) for node in self.nodes())))

    def nodes(self) -> list[dict[str, float]]:
        """What each node that is alive has: CPU, GPU, memory (bytes)."""
        return [node["Resources"] for node in self.api.nodes() if node["Alive"]]

    def close(self) -> None:
        """Leave the cluster, and end it if it was started here."""
        try:
            if self._is_ours:
                self._api.shutdown()
        finally:
            self._api, self._is_ours = None, False
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def _connected(self) -> Any:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        import ray

        if ray.is_initialized():  # by the program that we run in, which also ends it
            return ray
        if self.address == LOCAL:
            self._folder = make_owned_folder(FOLDER_PREFIX, root=_short_folder())
            place: dict[str, Any] = {
                "address": "local",
                "num_cpus": self.num_workers,
                "include_dashboard": False,
                "_temp_dir": str(self._folder / "r"),  # which Ray lets everybody write to
            }
        else:
            _require_answer(self.address)
            place = {"address": self.address}
        handler = signal.getsignal(signal.SIGTERM)
        self._api, self._is_ours = ray, True  # from here on `close` ends what was begun
        try:
            ray.init(**place, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
            self.close()
            raise Unavailable(
                f"Ray cannot be used at {self.address!r}: {str(error).strip() or type(error).__name__}. Run on a "
                "machine of the cluster, with the versions of Ray and Python that its nodes have; or use the address "
                "'local'"
            ) from error
        except BaseException:
            self.close()
            raise
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)  # Ray puts its own there
        return ray


def _short_folder() -> str:
    """Names of sockets may have 107 letters, of which Ray's folders take 70."""
    folder = tempfile.gettempdir()
    return folder if len(folder) <= _MOST_LETTERS else "/tmp"  # noqa: S108 - what lies there is ours alone


def _require_answer(address: str) -> None:
    """Ray would try for half a minute."""
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdigit():
        if address == "auto":
            return
        raise InvalidInput(f"Ray's address is {address!r}: expected host:port, 'auto', or 'local'")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        raise Unavailable(
            f"no Ray cluster answers at {address}: {error}. Is it up ('ray status --address {address}')? Without an "
            f"address (--ray-address, {ADDRESS_VARIABLE}) the run starts Ray on this machine"
        ) from error
