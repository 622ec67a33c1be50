"""A real S3 service for tests: Ceph's gateway from Debian's packages, on this machine, without docker.

python -m tools.radosgw install           the packages (root, apt-get)
python -m tools.radosgw run               start it, print its address and keys as JSON, until Ctrl-C
python -m tools.radosgw run -- COMMAND    start it, run a command with its address and keys set, stop it
python -m tools.radosgw test              start it, run the suites of suites.toml, stop it, print a table
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from tools.radosgw.daemons import DaemonDied
from tools.radosgw.gateway import GatewayFailed, running_gateway
from tools.radosgw.packages import PackagesMissing, install_packages
from tools.radosgw.suites import SERVICE_VARIABLE, Task, read_tasks, run_task, table

__all__ = ["main"]

_SUITES = Path(__file__).with_name("suites.toml")
_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, 1 for a failure, 130 after Ctrl-C, or that of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("install", help="Install the Debian packages.")
    run = verbs.add_parser("run", help="Start a gateway and keep it until Ctrl-C or the command's end.")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="What to run meanwhile.")
    test = verbs.add_parser("test", help="Run the suites of suites.toml against a gateway.")
    test.add_argument("--only", action="append", default=[], metavar="NAME", help="Only this suite; repeatable.")
    test.add_argument("--also", action="append", default=[], metavar="COMMAND", help="A further command; repeatable.")
    test.add_argument("--jobs", type=int, default=2, help="Processes of pytest (default: 2).")
    chosen = parser.parse_args(arguments)

    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGHUP, _end)
    try:
        install_packages()
        match chosen.verb:
            case "run":
                return _run([word for word in chosen.words if word != "--"])
            case "test":
                return _test(only=chosen.only, also=chosen.also, num_workers=chosen.jobs)
            case _:
                return 0
    except (PackagesMissing, GatewayFailed, DaemonDied) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _end(signal_number: int, frame: FrameType | None) -> None:
    """As Ctrl-C: what is running is stopped on the way out."""
    raise KeyboardInterrupt


def _run(words: list[str]) -> int:
    with running_gateway() as gateway:
        if words:
            environment = {
                **os.environ,
                **gateway.aws_variables(),
                SERVICE_VARIABLE: json.dumps(gateway.to_json()),
            }
            return subprocess.run(words, env=environment, check=False).returncode
        print(json.dumps(gateway.to_json(), indent=2), flush=True)
        print("Ctrl-C stops it", file=sys.stderr, flush=True)
        signal.pause()
    return 0


def _test(*, only: list[str], also: list[str], num_workers: int) -> int:
    tasks = read_tasks(_SUITES)
    if unknown := set(only) - {task.name for task in tasks}:
        print(f"error: no suite is named {', '.join(sorted(unknown))}; known: "
              f"{', '.join(task.name for task in tasks)}", file=sys.stderr)  # fmt: skip
        return 2
    tasks = [task for task in tasks if not only or task.name in only] + [Task.of_command(line) for line in also if line]
    started = time.monotonic()
    outcomes = []
    with running_gateway() as gateway:
        print(f"Ceph's gateway at {gateway.endpoint} after {time.monotonic() - started:.1f} s", flush=True)
        for task in tasks:
            print(f"\n{task.name}", flush=True)
            outcomes.append(run_task(task, gateway=gateway, num_workers=num_workers))
    print(f"\n{table(outcomes)}", flush=True)
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
