"""One process that serves a lake: gRPC on one port, HTTP on another, and workers for its jobs."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput, Unavailable
from headrace.service.buckets import Buckets
from headrace.service.database.opening import open_database
from headrace.service.http_api.application import create_application
from headrace.service.jobs.job_runner import JobRunner
from headrace.service.jobs.job_store import JobStore
from headrace.service.preparing import KIND, SnapshotPreparation
from headrace.service.rpc.server import RpcServer
from headrace.service.rpc.servicer import DataManagementServicer

__all__ = ["Service", "ServiceSettings"]

_DATABASE = "service/headrace.sqlite"  # in the folder of the lake: who copies the lake has it too
_START_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How a lake is served.

    Attributes:
        host: Name or address to listen at, for both ports.
        http_port, grpc_port: 0 takes a free one.
        database: sqlite:///… or postgresql://…; None: a file in the lake's folder.
        is_open: Whoever reaches the ports may do everything, also from other machines.
        drain_seconds: How long calls and jobs may take to end.
    """

    host: str = "127.0.0.1"
    http_port: int = 8765
    grpc_port: int = 6000
    buckets: Mapping[str, str] = field(default_factory=dict)
    view_bucket: str | None = None
    database: str | None = None
    is_open: bool = False
    drain_seconds: float = 30.0


class Service:
    """Listens from `start` to `stop`; both are called once."""

    def __init__(self, lake: Lake, settings: ServiceSettings) -> None:
        """
        Raises:
            InvalidInput: Settings that are wrong, or that would open the lake to everybody without saying so.
            Unavailable: A port is taken, or the database does not answer.
        """
        if not (settings.is_open or _is_loopback(settings.host)):
            raise InvalidInput(
                f"--host {settings.host} is reached from other machines, and this version knows no tokens: everybody "
                "there could change the lake. Listen at 127.0.0.1, or say --no-auth where the network is closed"
            )
        self._settings = settings
        self._is_ready = False
        buckets = Buckets.of(settings.buckets, view_bucket=settings.view_bucket)
        self._database = open_database(settings.database or _database_of(lake))
        try:
            jobs = JobStore(self._database)
            preparation = SnapshotPreparation(lake, jobs, buckets, wake=lambda: self._runner.wake())
            self._runner = JobRunner(jobs, {KIND: preparation.run})
            self._socket = _listening(settings.host, settings.http_port)
            application = create_application(
                lake, is_ready=lambda: self._is_ready, jobs=jobs, is_loopback=_is_loopback(settings.host)
            )
            config = uvicorn.Config(
                application,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, int(settings.drain_seconds)),
            )
            self._http = uvicorn.Server(config)
            self._http_thread = threading.Thread(
                target=self._http.run, kwargs={"sockets": [self._socket]}, name="http", daemon=True
            )
            servicer = DataManagementServicer(lake, buckets, preparation)
            self._rpc = RpcServer(servicer, host=settings.host, port=settings.grpc_port)
        except BaseException:
            self._database.close()
            raise

    @property
    def http_address(self) -> str:
        """Where HTTP listens, as a URL."""
        host = self._settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._socket.getsockname()[1]}"

    @property
    def grpc_address(self) -> str:
        """Where gRPC listens, host:port."""
        host = self._settings.host
        return f"{f'[{host}]' if ':' in host else host}:{self._rpc.port}"

    def start(self) -> None:
        """Answer from now on.

        Raises:
            Unavailable: HTTP does not come up.
        """
        self._runner.start()
        self._http_thread.start()
        until = time.monotonic() + _START_SECONDS
        while not self._http.started:
            if not self._http_thread.is_alive() or time.monotonic() > until:
                raise Unavailable(f"HTTP did not come up at {self.http_address}; see the log above")
            time.sleep(0.01)
        self._rpc.start()
        self._is_ready = True

    def stop(self) -> None:
        """Take nothing new, let what runs end, and give jobs that do not end to other workers."""
        self._is_ready = False
        self._rpc.stop(self._settings.drain_seconds)
        self._http.should_exit = True
        if self._http_thread.is_alive():
            self._http_thread.join()
        self._socket.close()
        self._runner.close(self._settings.drain_seconds)
        self._database.close()


def _database_of(lake: Lake) -> str:
    if "://" in lake.uri:
        raise InvalidInput(
            f"the lake {lake.uri} has no folder for the server's database; say where it is: --database "
            "postgresql://user@host/name, or sqlite:///FILE"
        )
    file = Path(lake.uri).absolute() / _DATABASE
    file.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{file}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Unavailable(f"HTTP cannot listen at {host}:{port}: {error}. Choose another --http-port") from error
    return listening
