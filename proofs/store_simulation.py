"""Lets writers, readers and collectors race in simulated stores, in as many orders as time allows.

`log` schedules hold the log and its objects alone, a hundred thousand of them; `lake` schedules whole lakes with
commits, snapshots, compaction, deletion and garbage collection. One case is a block of schedules; `log/7/123` is one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from headrace.errors import HeadraceError, Unavailable
from headrace.storage.canonical import JsonValue
from headrace.storage.checkpoints import ListForm
from headrace.storage.digests import digest_hex
from headrace.storage.log import EntryLog, LogEntry
from headrace.storage.memory import MemoryStore
from headrace.storage.paged_list import PagedList
from headrace.storage.store import ObjectStore
from proofs.forking import on_one_core
from proofs.lake_schedules import run_lake_schedule
from proofs.outcomes import CaseResult
from proofs.schedules import Actor, Schedule
from proofs.simulated_store import Bucket, SimulatedStore, Weather
from proofs.story import OPERATIONS

__all__ = ["Wrap", "cases", "check", "check_variant", "notes", "skip_reason"]

_BLOCK = 500
_LAKE_BLOCK = 10
_BASE = "datasets/d/"
_TRIES = 12
_CHECKPOINT_EVERY = 3  # entries, in the schedules that have checkpoints

Wrap = Callable[[ObjectStore], ObjectStore]


def cases(*, is_full: bool) -> list[str]:
    """`log/block` and `lake/block`."""
    num_log, num_lake = (200, 60) if is_full else (3, 3)
    return [f"lake/{block}" for block in range(num_lake)] + [f"log/{block}" for block in range(num_log)]


def skip_reason() -> str | None:
    """None: it needs nothing."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Run a block of schedules, or one of them."""
    return check_variant(case, seed=seed)


def check_variant(
    case: str, *, seed: int, wrap: Wrap = lambda store: store, collect: Callable[..., object] | None = None
) -> CaseResult:
    """The same with a store around the simulated one, or another garbage collection."""
    kind, block, *number = case.split("/")
    result = CaseResult(case)
    size = _BLOCK if kind == "log" else _LAKE_BLOCK
    for idx in [int(number[0])] if number else range(size):
        randomness = random.Random(f"{seed} {kind}/{block}/{idx}")
        with on_one_core():
            if kind == "log":
                problems = _run_log_schedule(randomness, wrap, result)
            else:
                problems = run_lake_schedule(randomness, result, collect)
        result.runs += 1
        result.count(f"{kind} schedules")
        result.violations.extend(f"schedule {kind}/{block}/{idx}: {problem}" for problem in problems)
    return result


@dataclass
class _Entries:
    """What a log adds up to here: which thing got which number."""

    numbers: dict[str, int] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)

    def apply(self, entry: LogEntry) -> None:
        thing = entry.body["thing"]
        if thing in self.numbers:
            self.twice.append(thing)
        self.numbers[thing] = entry.number

    def copy(self) -> _Entries:
        return _Entries(dict(self.numbers), list(self.twice))


class _Form:
    """How the entries look in a checkpoint: all in its head."""

    version = "1"
    interval = _CHECKPOINT_EVERY
    at_once: Set[str] = frozenset()
    lists: Mapping[str, ListForm] = MappingProxyType({})

    def head(self, state: _Entries) -> JsonValue:
        return {"numbers": dict(state.numbers), "twice": list(state.twice)}

    def paged_lists(self, state: _Entries) -> Mapping[str, PagedList[Any]]:
        return {}

    def state(self, head: JsonValue, lists: Mapping[str, PagedList[Any]]) -> _Entries:
        return _Entries(dict(sorted(head["numbers"].items(), key=lambda item: int(item[1]))), list(head["twice"]))


def _run_log_schedule(randomness: random.Random, wrap: Wrap, result: CaseResult) -> list[str]:
    schedule = Schedule(randomness)
    weather = randomness.choice(
        (
            Weather(),
            Weather(refused=0.05, lost_answer=0.1, late=0.1, mistaken=0.1, listing_lag=20),
            Weather(lost_answer=0.3, listing_lag=5),
            Weather(late=0.3),
            Weather(mistaken=0.3, refused=0.1),
            Weather(listing_lag=60),
        )
    )
    bucket = Bucket()
    form = _Form() if randomness.randrange(4) == 0 else None
    is_local = randomness.randrange(40) != 0  # a remote log is read by threads, which costs more
    acknowledged: dict[str, int] = {}
    problems: list[str] = []
    num_writers = randomness.randrange(2, 5)
    for idx in range(num_writers):
        actor = Actor(f"writer {idx}", lambda: None)
        if randomness.randrange(8) == 0:
            actor.dies_at = randomness.randrange(5, 60)
        store = wrap(SimulatedStore(bucket, schedule, actor, weather=weather, is_local=is_local))
        log = _log(store, schedule, actor, form)
        things = [f"{idx}.{count}" for count in range(randomness.randrange(1, 3))]
        actor.work = lambda store=store, log=log, things=things: _write(store, log, things, acknowledged)  # type: ignore[misc]
        schedule.add(actor)
    if randomness.randrange(4) == 0:
        actor = Actor("reader", lambda: None)
        store = SimulatedStore(bucket, schedule, actor, weather=Weather(listing_lag=weather.listing_lag))
        log = _log(store, schedule, actor, form)
        actor.work = lambda: _read(log, problems)
        schedule.add(actor)
    schedule.run()
    result.count("steps", schedule.step_count)
    result.count("acknowledged", len(acknowledged))
    return problems + schedule.failures + _check_log(bucket, acknowledged, form)


def _log(store: ObjectStore, schedule: Schedule, actor: Actor, form: _Form | None) -> EntryLog[_Entries]:
    return EntryLog(
        store,
        _BASE,
        state=_Entries(),
        actor=actor.name,
        clock=schedule.now_microseconds,
        pause=lambda seconds: schedule.step(actor),
        form=form,
    )


def _write(store: ObjectStore, log: EntryLog[_Entries], things: list[str], acknowledged: dict[str, int]) -> None:
    """As a user would: try again after `Unavailable`, unless it is there already; give up after many tries."""
    for thing in things:
        content = f"object {thing[-1]}".encode()  # writers share objects
        key = f"{_BASE}objects/{digest_hex(content)}"

        def plan(state: _Entries, thing: str = thing, key: str = key) -> Mapping[str, JsonValue] | None:
            return None if thing in state.numbers else {"thing": thing, "object": key}

        is_stored = False
        for _ in range(_TRIES):
            try:
                if not is_stored:
                    store.put(key, content)
                    is_stored = True
                entry = log.append("add", plan)
                acknowledged[thing] = entry.number if entry is not None else log.refresh().numbers[thing]
            except Unavailable:
                continue
            break


def _read(log: EntryLog[_Entries], problems: list[str]) -> None:
    """What was read once never changes: later states only add to it."""
    before: dict[str, int] = {}
    for _ in range(6):
        numbers = log.refresh().numbers
        if list(numbers.items())[: len(before)] != list(before.items()):
            problems.append(f"a reader saw {before} and then {numbers}")
        before = dict(numbers)


def _check_log(bucket: Bucket, acknowledged: Mapping[str, int], form: _Form | None) -> list[str]:
    schedule = Schedule(random.Random(0))
    actor = Actor("checker", lambda: None)
    schedule.step_count = 10**9  # every listing has caught up
    quiet = _Still(bucket)
    log = _log(quiet, schedule, actor, form)
    try:
        entries = list(log.entries())
        state = log.refresh()
    except HeadraceError as error:
        return [f"the log cannot be read: {error}"]
    problems = (
        [] if state.numbers == {entry.body["thing"]: entry.number for entry in entries} else ["state and log differ"]
    )
    taken = sorted(key for key in bucket.contents if key.startswith(f"{_BASE}log/"))
    if taken != [log.key(number) for number in range(1, len(entries) + 1)]:
        problems.append(f"{len(entries)} entries were read, but there are {taken}")
    if state.twice:
        problems.append(f"entered twice: {state.twice}")
    for thing, number in acknowledged.items():
        if state.numbers.get(thing) != number:
            problems.append(f"{thing} was acknowledged as entry {number}, and is entry {state.numbers.get(thing)}")
    missing = [entry.body["object"] for entry in entries if entry.body["object"] not in bucket.contents]
    if missing:
        problems.append(f"objects are missing: {missing}")
    return problems


class _Still(MemoryStore):
    """The bucket when all is over."""

    def __init__(self, bucket: Bucket) -> None:
        super().__init__("memory://still")
        self.clear()
        for key, (content, _) in bucket.contents.items():
            self.put(key, content)


def notes(counts: dict[str, float]) -> list[str]:
    """How much was simulated."""
    lines = []
    for kind, prefix in (("the log", ""), ("whole lakes", "lake ")):
        schedules = counts.get(f"{prefix or 'log '}schedules", 0)
        steps, acknowledged = counts.get(f"{prefix}steps", 0), counts.get(f"{prefix}acknowledged", 0)
        lines.append(f"{schedules:,.0f} schedules of {kind}: {steps:,.0f} steps, {acknowledged:,.0f} acknowledgements")
    if not OPERATIONS["gc"].built():
        lines.append("not built yet, not counted: garbage collection in the race")
    return lines
