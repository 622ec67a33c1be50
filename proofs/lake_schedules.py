"""Races of whole lakes in a simulated store: commits, snapshots, deletion, compaction and garbage collection at once.

The collector has no grace period: objects of commits in flight are fair game for it, and only its entry in the log
stands between it and them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from headrace.datasets.lake import Lake
from headrace.errors import Unavailable
from headrace.storage.memory import MemoryStore
from proofs.outcomes import CaseResult
from proofs.schedules import Actor, Schedule
from proofs.simulated_store import Bucket, SimulatedStore, Weather
from proofs.story import NAME, OPERATIONS, Row, Scene, View, observe, open_lake, play, rows_of, source_of

__all__ = ["run_lake_schedule"]

_TRIES = 20
_SCENE = Scene("race")
_STAGES: dict[str, tuple[bytes, int]] = {}


def run_lake_schedule(
    randomness: random.Random, result: CaseResult, collect: Callable[[Lake], object] | None
) -> list[str]:
    """One race; what was wrong at its end."""
    schedule = Schedule(randomness, max_steps=20_000)
    weather = randomness.choice(
        (Weather(), Weather(listing_lag=30), Weather(lost_answer=0.02, refused=0.01, late=0.02))
    )
    # Without lost answers `Unavailable` means that a collector was in the way, and nothing happened.
    tries = 1 if weather.lost_answer else _TRIES
    bucket = Bucket(contents=dict(_stage()))
    acknowledged: list[Row] = []
    tried: list[Row] = []
    snapshots: list[tuple[str, Counter[Row]]] = []
    problems: list[str] = []

    def commit(lake: Lake, name: str) -> None:
        for count in range(2):
            if any(row[0] == f"{name}-{count}" for row in acknowledged):
                continue
            # Some commits share their pictures with one another and with litter, so that objects are met again.
            number = randomness.choice((0, 0, 3, 6, 7))
            rows = ((f"{name}-{count}", f"l{number % 3}", number),)
            tried.extend(rows)
            lake.dataset(NAME).commit(source_of(rows))
            acknowledged.extend(rows)

    def snapshot(lake: Lake, name: str) -> None:
        found = lake.dataset(NAME).snapshot()
        snapshots.append((found.id, Counter(_rows_of(lake, found.id))))

    def collect_garbage(lake: Lake, name: str) -> None:
        for _ in range(2):
            if collect is None:
                lake.gc(dry_run=False, grace_seconds=0)
            else:
                collect(lake)

    def compact(lake: Lake, name: str) -> None:
        lake.dataset(NAME).compact()

    parts = [commit, commit, snapshot]
    if OPERATIONS["gc"].built():
        parts.append(collect_garbage)
    if OPERATIONS["compact"].built():
        parts.append(compact)
    chosen = [commit, parts[3] if len(parts) > 3 else commit, *randomness.choices(parts, k=randomness.randrange(0, 2))]
    for idx, part in enumerate(chosen):
        actor = Actor(f"{part.__name__} {idx}", lambda: None)
        if randomness.randrange(6) == 0:
            actor.dies_at = randomness.randrange(20, 150)
        store = SimulatedStore(bucket, schedule, actor, weather=weather)
        lake = Lake(store, actor=actor.name, clock=schedule.now_microseconds)
        actor.work = lambda part=part, lake=lake, idx=idx, tries=tries: _persist(lambda: part(lake, f"{idx}"), tries)  # type: ignore[misc]
        schedule.add(actor)
    schedule.run()
    result.count("lake steps", schedule.step_count)
    result.count("lake acknowledged", len(acknowledged) + len(snapshots))
    return problems + schedule.failures + _check(bucket, acknowledged, tried, snapshots)


def _persist(work: Callable[[], None], num_tries: int) -> None:
    """Where answers may be lost a user goes away after `Unavailable`: what he tried may be there or not."""
    for _ in range(num_tries):
        try:
            work()
        except Unavailable:
            continue
        return


def _check(
    bucket: Bucket, acknowledged: list[Row], tried: list[Row], snapshots: list[tuple[str, Counter[Row]]]
) -> list[str]:
    store = MemoryStore("memory://after-race")
    store.clear()
    for key, (content, _) in bucket.contents.items():
        store.put(key, content)
    lake = open_lake(store)
    problems = [f"verify says: {problem.message}" for problem in lake.verify().problems[:3]]
    if problems:
        return problems
    found = Counter(observe(lake).rows)
    before = Counter(_view().rows)
    for row, count in (before + Counter(acknowledged)).items():
        if found[row] < count:
            problems.append(f"{row} was acknowledged {count} times and is there {found[row]} times")
    for row, count in (found - before - Counter(tried)).items():
        problems.append(f"{row} is there {count} times more than it was tried")
    for snapshot_id, rows in snapshots:
        if Counter(_rows_of(lake, snapshot_id)) != rows:
            problems.append(f"snapshot {snapshot_id[:16]} changed after it was acknowledged")
    # A picture that nobody else has: what a killed collector named is refused for a quarter of an hour.
    lake.dataset(NAME).commit(source_of((("after", "l0", 21),)))
    problems += [f"after the next commit verify says: {problem.message}" for problem in lake.verify().problems[:3]]
    return problems


def _rows_of(lake: Lake, snapshot_id: str) -> tuple[Row, ...]:
    return rows_of(lake.dataset(NAME).logged_snapshot(snapshot_id))


def _stage() -> dict[str, tuple[bytes, int]]:
    """A lake with a few commits and litter; made once a process."""
    if not _STAGES:
        store = MemoryStore("memory://stage")
        play(open_lake(store), ("create", "commit", "commit", "snapshot", "alias", "litter"), _SCENE, View())
        _STAGES.update({stat.key: (store.get(stat.key), 0) for stat in store.list("")})
    return _STAGES


def _view() -> View:
    view = View()
    for name in ("create", "commit", "commit", "snapshot", "alias", "litter"):
        view = OPERATIONS[name].after(view, _SCENE)
    return view
