"""One Ceph node with its S3 gateway, in a temporary folder and on free ports, for as long as a block runs.

A monitor, one OSD that keeps its objects in memory, and radosgw. There is no manager: nothing that we use needs one.
All of it listens on 127.0.0.1 alone.

Source: https://docs.ceph.com/en/pacific/install/manual-deployment/
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.radosgw.daemons import Daemons

__all__ = ["Gateway", "GatewayFailed", "running_gateway"]

_REGION = "us-east-1"
_MEMORY_BYTES = 8 << 30  # what the OSD says it can hold; memory is taken only for what is stored


_RIGHTS = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *"},
    "client.rgw": {"mon": "allow rw", "osd": "allow rwx"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
}
"""Names and rights of everybody in the cluster; they share one file of keys."""


class GatewayFailed(RuntimeError):
    """A step of starting failed or did not end in time."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where a running gateway is found, and a user of it with two buckets."""

    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str
    bucket: str
    versioned_bucket: str

    def to_json(self) -> dict[str, str]:
        """Plain JSON, as tests read it from HEADRACE_TEST_S3."""
        return asdict(self)

    def aws_variables(self) -> dict[str, str]:
        """The variables by which any S3 program, and Headrace, finds it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }


@contextlib.contextmanager
def running_gateway(*, timeout_seconds: float = 120) -> Iterator[Gateway]:
    """A gateway that has stored and returned an object; everything of it is gone after the block.

    Raises:
        GatewayFailed: It was not ready in time; the message holds what the failed step said.
        DaemonDied: One of its processes ended by itself.
    """
    folder = Path(tempfile.mkdtemp(prefix="radosgw-"))
    daemons = Daemons(folder)
    try:
        yield _start(folder, daemons, give_up_at=time.monotonic() + timeout_seconds)
        daemons.check()
    finally:
        daemons.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, daemons: Daemons, *, give_up_at: float) -> Gateway:
    monitor_port, port = _free_ports(2)
    cluster_id = str(uuid.uuid4())
    configuration = folder / "ceph.conf"
    configuration.write_text(_configuration(folder, cluster_id=cluster_id, monitor_port=monitor_port, port=port))
    (folder / "mon").mkdir()
    (folder / "osd").mkdir()

    def call(*words: str) -> None:
        _call([words[0], "-c", str(configuration), *words[1:]], give_up_at=give_up_at)

    def wait_for(what: str, is_ready: Callable[[], bool]) -> None:
        _wait_for(what, is_ready, daemons=daemons, give_up_at=give_up_at)

    keyring, monitors = str(folder / "keyring"), str(folder / "monmap")
    for name, rights in _RIGHTS.items():
        words = [word for kind, right in rights.items() for word in ("--cap", kind, right)]
        is_first = not Path(keyring).exists()
        call("ceph-authtool", *(["--create-keyring"] if is_first else []), keyring, "--gen-key", "-n", name, *words)
    call("monmaptool", "--create", "--fsid", cluster_id, "--addv", "a", f"[v2:127.0.0.1:{monitor_port}]", monitors)
    call("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitors, "--keyring", keyring)
    daemons.start("mon", ["ceph-mon", "-c", str(configuration), "-f", "-i", "a"])
    wait_for("the monitor", lambda: _answers(monitor_port))

    device_id = str(uuid.uuid4())
    call("ceph", "auth", "import", "-i", keyring)
    call("ceph", "osd", "new", device_id)
    call("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", device_id)
    daemons.start("osd", ["ceph-osd", "-c", str(configuration), "-f", "-i", "0"])

    daemons.start("radosgw", ["radosgw", "-c", str(configuration), "-f", "-n", "client.rgw"])
    gateway = Gateway(
        endpoint=f"http://127.0.0.1:{port}",
        region=_REGION,
        access_key_id=secrets.token_hex(10),
        secret_access_key=secrets.token_hex(20),
        bucket="plain",
        versioned_bucket="versioned",
    )
    wait_for("the gateway", lambda: _answers_http(gateway.endpoint))
    call(
        "radosgw-admin", "-n", "client.rgw", "user", "create", "--uid=tests", "--display-name=tests",
        f"--access-key={gateway.access_key_id}", f"--secret-key={gateway.secret_access_key}", "--max-buckets=100000",
    )  # fmt: skip
    client = _client(gateway)
    try:
        wait_for("the first bucket", lambda: _stores_and_returns(client, gateway.bucket))
        client.create_bucket(Bucket=gateway.versioned_bucket)
        client.put_bucket_versioning(Bucket=gateway.versioned_bucket, VersioningConfiguration={"Status": "Enabled"})
    finally:
        client.close()
    return gateway


def _configuration(folder: Path, *, cluster_id: str, monitor_port: int, port: int) -> str:
    settings = {
        "fsid": cluster_id,
        "mon host": f"[v2:127.0.0.1:{monitor_port}]",
        "mon initial members": "a",
        "public network": "127.0.0.0/8",
        "public addr": "127.0.0.1",
        "cluster addr": "127.0.0.1",
        "ms bind ipv6": "false",
        "auth allow insecure global id reclaim": "false",
        "mon data": str(folder / "mon"),
        "osd data": str(folder / "osd"),
        "rgw data": str(folder),
        "run dir": str(folder),
        "crash dir": str(folder),
        "admin socket": str(folder / "$name.asok"),
        "log file": str(folder / "$name.log"),
        "log to stderr": "false",
        "keyring": str(folder / "keyring"),
        "osd objectstore": "memstore",
        "memstore device bytes": str(_MEMORY_BYTES),
        # One OSD holds everything once.
        "osd pool default size": "1",
        "osd pool default min size": "1",
        "osd pool default pg num": "8",
        "osd crush chooseleaf type": "0",
        "osd numa auto affinity": "false",
        "mon allow pool size one": "true",
    }
    gateway_settings = {
        "rgw frontends": f"beast endpoint=127.0.0.1:{port} tcp_nodelay=1",
        "rgw enable usage log": "false",
    }
    sections = {"global": settings, "client.rgw": gateway_settings}
    return "".join(
        f"[{section}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
        for section, values in sections.items()
    )


def _call(words: list[str], *, give_up_at: float) -> None:
    """Run one administrative command to its end."""
    # Debian's `ceph` is written for the system's Python, and must not see ours.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    try:
        done = subprocess.run(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=max(1.0, give_up_at - time.monotonic()),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GatewayFailed(f"{words[0]} {words[-1]} did not end in time") from None
    if done.returncode != 0:
        raise GatewayFailed(f"{words[0]} failed with status {done.returncode}:\n{done.stderr.strip()[-2000:]}")


def _wait_for(what: str, is_ready: Callable[[], bool], *, daemons: Daemons, give_up_at: float) -> None:
    while not is_ready():
        daemons.check()
        if time.monotonic() > give_up_at:
            raise GatewayFailed(f"{what} did not answer in time\n{daemons.last_words()}")
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listened on a moment ago; held together, so that they differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers_http(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(endpoint, timeout=5):  # noqa: S310 - our own http address
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _client(gateway: Gateway) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        print("boto3 is needed: make setup, then run this with .venv/bin/python", file=sys.stderr)
        raise
    return boto3.client(
        "s3",
        endpoint_url=gateway.endpoint,
        region_name=gateway.region,
        aws_access_key_id=gateway.access_key_id,
        aws_secret_access_key=gateway.secret_access_key,
        config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30),
    )


def _stores_and_returns(client: Any, bucket: str) -> bool:
    """Whether an object goes in and comes out: pools are made by the first requests, which may fail meanwhile."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key="ready", Body=b"yes")
        is_back: bool = client.get_object(Bucket=bucket, Key="ready")["Body"].read() == b"yes"
        client.delete_object(Bucket=bucket, Key="ready")
    except (BotoCoreError, ClientError):
        return False
    return is_back
