"""Make the peers' environments, one each; a peer that cannot be installed is remembered with the reason.

python -m benchmarks.streaming.environments [--retry]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measurement import BENCH_ROOT

__all__ = ["Environment", "environments"]

OWN = "headrace"
_DEFINITION = Path(__file__).with_name("environments.toml")
_PIP = ("-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input")
_INSTALL_SECONDS = 1_200


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a contestant runs. `python` is there if `failure` is None."""

    name: str
    steps: tuple[tuple[str, ...], ...]  # what pip installs, one call each
    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return Path(sys.executable) if self.name == OWN else self.folder / "bin" / "python"

    @property
    def failure(self) -> str | None:
        """Why it is not there; None if it is."""
        if self.name == OWN:
            return None
        record = self._record()
        if record.get("steps") != self._digest():
            return "its environment was not made: make bench-stream"
        found = record.get("failure")
        return str(found) if found else None

    def make(self, *, is_retried: bool) -> None:
        """Install it unless that was done; a failure is kept too."""
        if self._record().get("steps") == self._digest() and not (is_retried and self.failure):
            return
        print(f"installing the peer {self.name} into {self.folder} (once) ...", flush=True)
        failure = None
        try:
            if not self.python.exists():
                venv.create(self.folder, with_pip=True)
            for packages in self.steps:
                subprocess.run(
                    [self.python, *_PIP, *packages],
                    check=True,
                    capture_output=True,
                    text=True,
                    timeout=_INSTALL_SECONDS,
                )
        except subprocess.CalledProcessError as error:
            failure = next((line for line in error.stderr.splitlines() if line.startswith("ERROR")), "pip failed")
        except (OSError, subprocess.TimeoutExpired) as error:
            failure = str(error)
        self._file.write_text(json.dumps({"steps": self._digest(), "failure": failure}), encoding="utf-8")
        if failure:
            print(f"  not installed: {failure}")

    def versions(self) -> dict[str, str]:
        """What is installed, by the names that `environments.toml` asks for."""
        names = [requirement.partition("==")[0] for requirement in self.steps[-1]]
        code = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
        done = subprocess.run([self.python, "-c", code, *names], check=True, capture_output=True, text=True)
        found: dict[str, str] = json.loads(done.stdout)
        return found

    @property
    def _file(self) -> Path:
        return self.folder.with_suffix(".json")

    def _record(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        return found

    def _digest(self) -> str:
        return hashlib.sha256(repr(self.steps).encode()).hexdigest()


def environments() -> dict[str, Environment]:
    """All, by name; `headrace` is the one that runs this."""
    definition = tomllib.loads(_DEFINITION.read_text(encoding="utf-8"))
    found = {OWN: Environment(OWN, (), Path(sys.prefix))}
    for name, entry in definition["environments"].items():
        steps = [(*definition["shared"], *entry["packages"])]
        if entry.get("needs_torch", True):
            # Named again, so that nothing a peer depends on (torchvision) replaces it by the newest CUDA build.
            steps = [(definition["torch"],), (definition["torch"], *steps[0])]
        found[name] = Environment(name, tuple(steps), BENCH_ROOT / f"venv-stream-{name}")
    return found


def main(arguments: list[str]) -> int:
    """0, also if a peer is missing: the benchmark says so."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming.environments", description=__doc__)
    parser.add_argument("--retry", action="store_true", help="try those again that failed")
    is_retried = parser.parse_args(arguments).retry
    BENCH_ROOT.mkdir(exist_ok=True)
    for environment in environments().values():
        if environment.name != OWN:
            environment.make(is_retried=is_retried)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
