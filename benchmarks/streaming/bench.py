"""How fast does a loader feed a trainer? Against eight peers and the machine's own limit; see README.md.

python -m benchmarks.streaming.bench [--quick] [--rounds N] [--only TEXT] [--record]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from benchmarks.measurement import BENCH_ROOT, Outcome, hardware
from benchmarks.photos import photo_set
from benchmarks.run import save
from benchmarks.streaming.answer import LIMIT, Results, judge
from benchmarks.streaming.children import Answer, run_tasks
from benchmarks.streaming.contestants.field import FIELD, FILES, OURS, OURS_BESIDE, Entry
from benchmarks.streaming.environments import Environment, environments
from benchmarks.streaming.workload import Workload, write_workload

_FULL_MINUTES, _QUICK_MINUTES = 15.0, 3.0
_SHARE_OF_ROUNDS = 0.85  # of the time; the rest is for what is measured once
_FORMAT_VERSION = 2


def main(arguments: list[str]) -> int:
    """0 if every bar is met, 1 if one is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming.bench", description="Measure the loaders.")
    parser.add_argument("--quick", action="store_true", help="2,000 photos, 1 round, few batches: about 3 minutes")
    parser.add_argument("--rounds", type=int, help="of all contestants in turns; default 5, or 1 with --quick")
    parser.add_argument("--photos", type=int, help="default 20,000, or 2,000 with --quick")
    parser.add_argument("--minutes", type=float, help="no further round starts after most of them; default 15 or 3")
    parser.add_argument("--only", default="", help="contestants whose name holds this; ours and plain files always run")
    parser.add_argument("--record", action="store_true", help="write the answer into the benchmark's folder")
    chosen = parser.parse_args(arguments)
    outcome = measure(
        num_photos=chosen.photos or (2_000 if chosen.quick else 20_000),
        rounds=chosen.rounds or (1 if chosen.quick else 5),
        num_batches=30 if chosen.quick else 100,
        minutes=chosen.minutes or (_QUICK_MINUTES if chosen.quick else _FULL_MINUTES),
        only=chosen.only,
    )
    save("streaming", outcome, is_recorded=chosen.record)
    return 0 if outcome.is_met else 1


def measure(*, num_photos: int, rounds: int, num_batches: int, minutes: float, only: str) -> Outcome:
    """Prepare what is missing, run the rounds, judge."""
    machine = hardware()
    photos = photo_set(num_photos)
    folder = BENCH_ROOT / "streaming" / f"{num_photos}-v{_FORMAT_VERSION}"
    if not (folder / "samples.jsonl").exists():
        write_workload(folder, photos=[(label, file) for _, label, file in photos.files()])
    places = environments()
    results = Results(num_photos=num_photos, num_bytes=photos.num_bytes, machine=machine)
    field = [entry for entry in FIELD if entry.name in (OURS, OURS_BESIDE, FILES) or only in entry.name]
    field = [entry for entry in field if _is_ready(entry, places[entry.environment], folder, results)]
    results.versions = _versions(field, places)
    from benchmarks.streaming.index_of_two_million import write_index

    write_index(Workload(folder))
    started = time.monotonic()
    for round_idx in range(rounds):
        spent = time.monotonic() - started
        if round_idx and spent * (round_idx + 1) / round_idx > minutes * 60 * _SHARE_OF_ROUNDS:
            print(f"  {round_idx} rounds instead of {rounds}: {spent / 60:.0f} minutes are spent", flush=True)
            break
        _run_round(field, places, folder, results, round_idx=round_idx, num_batches=num_batches)
        results.num_rounds += 1
    python = places["headrace"].python
    step = f"step:{max(1, min(rounds, 3))}:{6 if rounds == 1 else 15}"
    results.add("step", run_tasks(python, folder, OURS, [step], num_batches=num_batches))
    return judge(results)


def _run_round(
    field: list[Entry],
    places: dict[str, Environment],
    folder: Path,
    results: Results,
    *,
    round_idx: int,
    num_batches: int,
) -> None:
    """Everybody once; the order turns by one each round, so that nobody always runs after the same neighbour."""
    python = places["headrace"].python
    turn = round_idx % len(field)
    results.add(LIMIT, run_tasks(python, folder, LIMIT, ["limit_decode", "limit_raw"], num_batches=num_batches))
    for entry in [*field[turn:], *field[:turn]]:
        began = time.monotonic()
        tasks = ["decode", "raw", "random"]
        if round_idx == 0 or entry.is_ours or entry.environment == "mosaic":
            tasks.append("resume")
        answers = run_tasks(places[entry.environment].python, folder, entry.name, tasks, num_batches=num_batches)
        results.add(entry.name, answers)
        print(
            f"  round {round_idx + 1}, {entry.name}: {_brief(answers)} ({time.monotonic() - began:.0f} s)", flush=True
        )
    for what in ("index_new", "index_again"):
        results.add(OURS, run_tasks(python, folder, OURS, [what], num_batches=0))
    if round_idx == 0:
        results.add(FILES, run_tasks(python, folder, FILES, ["index_files"], num_batches=0))


def _is_ready(entry: Entry, place: Environment, folder: Path, results: Results) -> bool:
    """Whether the contestant can run: its environment is there, and its format is written or can be."""
    if place.failure is not None:
        results.absent[entry.name] = f"not installed: {place.failure}"
        return False
    target = folder / entry.format
    stamp = folder / f"{entry.format}.written"
    if not stamp.exists():
        print(f"writing the photos in the format of {entry.name} (once) ...", flush=True)
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        (answer,) = run_tasks(place.python, folder, entry.name, ["write"], num_batches=0, seconds=600)
        if answer.failure is not None:
            results.absent[entry.name] = f"its format could not be written: {answer.failure}"
            return False
        stamp.touch()
    return True


def _versions(field: list[Entry], places: dict[str, Environment]) -> dict[str, str]:
    from benchmarks.measurement import versions

    found = versions("headrace", "torch", "simplejpeg", "opencv-python-headless", "numpy", "pyarrow")
    for environment in dict.fromkeys(entry.environment for entry in field):
        if environment != "headrace":
            found = {**places[environment].versions(), **found}
    return found


def _brief(answers: list[Answer]) -> str:
    parts = []
    for answer in answers:
        rate = answer.measured.get("samples_per_second")
        if answer.failure is not None:
            parts.append(f"{answer.task} failed")
        elif isinstance(rate, float):
            parts.append(f"{answer.task} {rate:,.0f}/s")
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
