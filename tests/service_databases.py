"""Empty databases for the service: a SQLite file, and a PostgreSQL server that lives as long as the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from headrace.service.database import Database  # SQLAlchemy is imported only by tests that use it

__all__ = ["database", "database_url", "postgres_socket"]

_BINARIES = ("initdb", "postgres", "pg_ctl")
_USER = "headrace"
_DEBIAN = "/usr/lib/postgresql"


def _binary_folder() -> Path | None:
    """Where the server's programs are: on the path, else the newest where Debian puts them."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path(_DEBIAN).glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    return next((folder for folder in folders if all((folder / name).exists() for name in _BINARIES)), None)


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """The folder of the socket of a server without data, which only this test process uses."""
    binaries = _binary_folder()
    if binaries is None:
        pytest.skip(f"no PostgreSQL server: {', '.join(_BINARIES)} are neither on the path nor in {_DEBIAN}")
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    if user is not None and user not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    folder = Path(tempfile.mkdtemp(prefix="headrace-pg-"))  # a socket's path has at most 107 bytes
    try:
        if user is not None:
            shutil.chown(folder, user)
        folder.chmod(0o755)
        data = folder / "data"

        def run(name: str, *arguments: str) -> None:
            command = [str(binaries / name), *arguments]
            ended = subprocess.run(
                command, user=user, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
            )
            assert ended.returncode == 0, ended.stdout + ended.stderr

        run("initdb", "-D", str(data), "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=60"
        run("pg_ctl", "-D", str(data), "-l", str(folder / "server.log"), "-w", "-o", options, "start")
        try:
            yield folder
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_url(socket: Path, name: str) -> str:
    return f"postgresql://{_USER}@/{name}?host={socket}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, on both kinds in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'service.db'}"
    import psycopg

    socket: Path = request.getfixturevalue("postgres_socket")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"host={socket} user={_USER} dbname=postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return _postgres_url(socket, name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open one with the newest tables."""
    from headrace.service.database import open_database

    opened = open_database(database_url)
    yield opened
    opened.close()
