"""A Python environment for a command, made once for each list of requirements."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import HeadraceError, InvalidInput, NotFound
from headrace.storage.canonical import canonical_json
from headrace.storage.digests import digest_hex

__all__ = ["CommandEnvironment", "ensure_environment"]

_STAMP = ".complete"
_TAIL = 2_000  # characters of an installer's complaint
_TIMEOUT_SECONDS = 1_800.0


@dataclass(frozen=True, slots=True)
class CommandEnvironment:
    """What a command's Python has."""

    requirements: Path | None = None  # a requirements file; None: nothing but Python
    python: str | None = None  # a version such as "3.11"; None: the one that runs Headrace

    def identity(self) -> dict[str, object]:
        """Plain values for hashing: the content of the requirements, not their place.

        Raises:
            NotFound: The requirements file is not there.
        """
        return {"python": self._version, "requirements": digest_hex(self._content)}

    @property
    def _version(self) -> str:
        return self.python or f"{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def _content(self) -> bytes:
        if self.requirements is None:
            return b""
        try:
            return self.requirements.read_bytes()
        except OSError as error:
            raise NotFound(f"the requirements file {str(self.requirements)!r} cannot be read: {error}") from error


def ensure_environment(environment: CommandEnvironment, *, folder: Path) -> Path:
    """The folder with the environment's programs (`bin`); made by uv where it is installed, else by venv and pip.

    Several processes may ask at once: one makes it, the others wait. One that was left half-made is made anew.

    Raises:
        InvalidInput: There is no such Python, or the requirements do not install; with the end of what pip says.
    """
    name = digest_hex(canonical_json(environment.identity()))[:16]
    place = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / _STAMP).exists():
            # At its final place, because scripts in an environment name their Python by its full path.
            shutil.rmtree(place, ignore_errors=True)
            _make(environment, place)
            (place / _STAMP).touch()
    return place / "bin"


def _make(environment: CommandEnvironment, place: Path) -> None:
    uv = shutil.which("uv")
    python = str(place / "bin" / "python")
    requirements = [] if environment.requirements is None else ["-r", str(environment.requirements)]
    if uv is not None:
        wanted = environment.python or sys.executable
        _run([uv, "venv", "--quiet", "--python", wanted, str(place)])
        if requirements:
            _run([uv, "pip", "install", "--quiet", "--python", python, *requirements])
        return
    _run([_interpreter(environment.python), "-m", "venv", str(place)])
    if requirements:
        _run([python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input", *requirements])


def _interpreter(version: str | None) -> str:
    if version is None or version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(f"python{version}")
    if found is None:
        raise InvalidInput(
            f"environment: there is no python{version} on this machine; install it, or uv, which fetches it"
        )
    return found


def _run(command: Sequence[str]) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=clean, timeout=_TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise HeadraceError(f"environment: {command[0]} took more than {_TIMEOUT_SECONDS:g} s") from error
    if done.returncode != 0:
        raise InvalidInput(f"environment: {' '.join(command)} failed:\n{(done.stderr or done.stdout)[-_TAIL:].strip()}")
