"""Plants bytes that occur nowhere else, purges them, and looks for them in everything that the lake's folder holds.

One case is one lake with two datasets. Its operations come in an order by seed, some writers are killed half way. Then
rows are purged by filter, by key or with their dataset, garbage is collected without grace, and what is left is
searched: every file as it is and decoded, names of files and folders too. All other rows must be what they were.

HEADRACE_PROOF_LAKE names a place where the lakes lie instead, such as `s3://bucket/folder`.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.datasets.row_gathering import SYSTEM_COLUMNS
from headrace.datasets.snapshot import Snapshot
from headrace.storage.canonical import read_json
from headrace.storage.store import ObjectStore
from proofs.forking import Tell, in_child
from proofs.object_kinds import kind_of
from proofs.outcomes import CaseResult
from proofs.places import Place
from proofs.purge_story import PEOPLE, PurgeStory, canaries_of
from proofs.scratch import scratch_folder

__all__ = ["Bug", "Condition", "cases", "check", "check_variant", "notes", "skip_reason"]

_SEEDS = 25
_QUICK_SEEDS = 2
_KILLS = 4
_MOST_POINTS = 60  # of a killed operation; a greater number means that it ends before it is killed
_MODES = ("where", "keys", "dataset")
Condition = dict[str, Any]
"""Arguments that say which rows: where or keys."""

_WANTED_KINDS = frozenset(
    {"part", "shard", "statistics", "commit manifest", "view", "chunk of a function", "index of a shard"}
)

_MAY_BE_GONE = ("note", "value of a function")
"""Planted in what a later operation replaces and a collection removes."""


def _purge_rows(dataset: Dataset, condition: Condition) -> None:
    dataset.purge(**condition)


@dataclass(frozen=True, slots=True)
class Bug:
    """What may be planted: another store for purge and collection, or another purge of rows."""

    wrap: Callable[[ObjectStore], ObjectStore] = lambda store: store
    purge: Callable[[Dataset, Condition], None] = _purge_rows


_NO_BUG = Bug()


def cases(*, is_full: bool) -> list[str]:
    """Numbers of lakes."""
    return [f"lake/{number}" for number in range(_SEEDS if is_full else _QUICK_SEEDS)]


def skip_reason() -> str | None:
    """None: a local folder is always there."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Build one lake, and purge three times."""
    return check_variant(case, seed=seed, bug=_NO_BUG)


def check_variant(case: str, *, seed: int, bug: Bug) -> CaseResult:
    """The same with a bug; `small/number` is one purge of a lake where nobody was killed."""
    number = int(case.rpartition("/")[2])
    result = CaseResult(case)
    with scratch_folder() as folder:
        trial = _Trial(f"{seed} {case}", number, folder, Place.below(folder), bug, result)
        trial.run()
    return result


class _Trial:
    """One lake; each step is a process of its own, so that some can be killed."""

    def __init__(self, seed: str, number: int, folder: Path, place: Place, bug: Bug, result: CaseResult) -> None:
        self._seed = seed
        self._number = number
        self._folder = folder
        self._place = place
        self._bug = bug
        self._result = result
        self._is_small = result.case.startswith("small/")
        self._states: dict[str, dict[str, object]] = {}

    def run(self) -> None:
        """Build, kill, purge."""
        randomness = random.Random(f"{self._seed} steps")
        if not self._step(lambda stories, tell: self._build(stories)):
            return
        self._step(self._look)
        first, second = ("people", "others") if self._number % 2 == 0 else ("others", "people")
        targets = [
            (first, PEOPLE[0], _MODES[self._number // 2 % 2]),
            (second, PEOPLE[0], _MODES[self._number % 3]),
            (first, PEOPLE[1], _MODES[-(self._number % 3)]),
        ]
        if self._is_small:
            targets = targets[:1]
        else:
            for count in range(_KILLS):
                self._kill(count, randomness, name=randomness.choice((first, second)), operation=None)
            self._kill(_KILLS, randomness, name=first, operation="purge")
        for target in targets:
            self._step(lambda stories, tell, target=target: self._purge(stories, tell, target))  # type: ignore[misc]

    def _step(self, work: Callable[[dict[str, PurgeStory], Tell], None]) -> bool:
        def act(tell: Tell) -> None:
            stories = self._stories()
            work(stories, tell)
            tell(f"state {json.dumps({name: story.state_dict() for name, story in stories.items()})}")

        end = in_child(act, timeout_seconds=300)
        for line in end.lines:
            kind, _, text = line.partition(" ")
            if kind == "state":
                self._states = json.loads(text)
            elif kind == "counts":
                for name, amount in json.loads(text).items():
                    self._result.count(name, amount)
            elif kind == "run":
                self._result.runs += 1
            else:
                self._result.violations.append(text)
        if end.failure:
            self._result.violations.append(end.failure)
        return not end.failure

    def _stories(self) -> dict[str, PurgeStory]:
        stories = {}
        for is_table in (True, False):
            story = PurgeStory(self._seed, self._number, is_table=is_table, folder=self._folder / "sources")
            if story.name in self._states:
                story.load_state_dict(self._states[story.name])
            stories[story.name] = story
        return stories

    def _lake(self, wrap: Callable[[ObjectStore], ObjectStore] = lambda store: store) -> Lake:
        return Lake(wrap(self._place.store("lake")), actor="proof")

    def _build(self, stories: dict[str, PurgeStory]) -> None:
        for story in stories.values():
            story.build(self._lake())
        for story in stories.values():
            story.leave_rests(self._lake())

    def _kill(self, count: int, randomness: random.Random, *, name: str, operation: str | None) -> None:
        """A process that dies amid an operation leaves rests: objects, half-written files, half a view."""
        chosen = operation or randomness.choice(sorted(self._stories()[name].killable()))
        when = randomness.choice(("amid ", "", "after put_new dataset log"))
        left = randomness.randrange({"amid ": 8, "": _MOST_POINTS}.get(when, 1))

        def act(tell: Tell) -> None:
            story = self._stories()[name]
            operate = story.killable()[chosen]

            def die(point: str) -> None:
                nonlocal left
                left -= point.startswith(when)
                if left < 0:
                    tell(json.dumps(story.state_dict()))
                    os.kill(os.getpid(), signal.SIGKILL)

            operate(Lake(self._place.stepped("lake", die), actor="proof"))
            tell(json.dumps(story.state_dict()))

        end = in_child(act)
        if end.failure:
            self._result.violations.append(f"{chosen} failed before it was killed: {end.failure}")
        self._result.count("killed", end.was_killed)
        for line in end.lines[-1:]:
            # No later commit may have the rows of one that was killed.
            self._states[name] = {**json.loads(line), "num_commits": 1000 + count}

    def _look(self, stories: dict[str, PurgeStory], tell: Tell) -> None:
        """What was planted must be there, or the search proves nothing."""
        lake = self._lake()
        planted = {name: value for story in stories.values() for name, value in story.planter.planted.items()}
        there = canaries_of(planted).search(lake.store)
        found = {_part_of(name) for names in there.values() for name in names}
        for missing in sorted({_part_of(name) for name in planted if not name.endswith(_MAY_BE_GONE)} - found):
            tell(f"violation the proof planted {missing} and does not find it in the lake")
        kinds = Counter(_kind(lake.store, place) for place in there)
        if kinds_missing := _WANTED_KINDS - kinds.keys():
            tell(f"violation the proof planted nothing in any {', '.join(sorted(kinds_missing))}")
        tell(f"counts {json.dumps({f'kind {kind}': amount for kind, amount in kinds.items()})}")
        tell(f"counts {json.dumps({'canaries': len(planted)})}")

    def _purge(self, stories: dict[str, PurgeStory], tell: Tell, target: tuple[str, str, str]) -> None:
        name, person, mode = target
        lake, story = self._lake(), stories[name]
        shown = [each.name for each in lake.datasets()]
        before = {each: _rows_of_snapshots(lake, each) for each in shown}
        ids, digests = story.rows_of(lake, person)
        planted = {key: value for each in stories.values() for key, value in each.planter.planted.items()}
        canaries = canaries_of(planted, digests={f"{name}/{person}": digests})
        mine = f"{name}/" if mode == "dataset" else f"{name}/{person}/"
        wanted = [each for each in canaries.names if each.startswith(mine)]
        broken = self._lake(self._bug.wrap)
        if mode == "dataset":
            broken.purge_dataset(name)
            shown.remove(name)
        else:
            by_key = mode == "keys" and ids
            self._bug.purge(broken.dataset(name), {"keys": ids} if by_key else {"where": story.condition(person)})
        broken.gc(grace_seconds=0)

        def judge(when: str) -> None:
            fresh = self._lake()
            problems = [
                f"{place} ({_kind(fresh.store, place)}) holds {', '.join(held[:3])}"
                for place, held in canaries.search(fresh.store, names=wanted).items()
            ]
            for each in shown:
                problems += _changes(fresh, each, before[each], purged=set(ids) if each == name else set())
            problems += [f"verify says: {problem.message}" for problem in fresh.verify().problems[:3]]
            for text in problems:
                tell(f"violation {person} in {name}, {mode}, {when}: {text}".replace("\n", " "))

        judge("after gc")
        tell("run ")
        tell(f"counts {json.dumps({f'mode {mode}': 1, 'rows': len(ids)})}")
        if self._is_small:
            return
        # What is done next may not bring anything back either.
        for each in shown:
            stories[each].go_on(self._lake(), count=2)
        self._lake().gc(grace_seconds=0)
        judge("after more operations")


_Rows = dict[str, pa.Table]  # by snapshot id


def _rows_of_snapshots(lake: Lake, name: str) -> _Rows:
    dataset = lake.dataset(name)
    return {snapshot_id: _rows_of(dataset.logged_snapshot(snapshot_id)) for snapshot_id in dataset.snapshots}


def _rows_of(snapshot: Snapshot) -> pa.Table:
    return snapshot.to_arrow([*snapshot.schema.names, *SYSTEM_COLUMNS])


def _changes(lake: Lake, name: str, before: _Rows, *, purged: set[str]) -> Iterator[str]:
    """Snapshots that are not what they were, less the purged rows."""
    dataset = lake.dataset(name)
    for snapshot_id, table in before.items():
        snapshot = dataset.logged_snapshot(snapshot_id)
        if snapshot.id != snapshot_id:
            yield f"snapshot {snapshot_id[:12]} of {name} is called {snapshot.id[:12]} now"
        is_kept = pc.invert(pc.is_in(table.column("_id"), value_set=pa.array(sorted(purged), pa.string())))
        expected, found = table.filter(is_kept), _rows_of(snapshot)
        if not found.equals(expected):
            yield (
                f"snapshot {snapshot_id[:12]} of {name} has {found.num_rows} rows, expected {expected.num_rows} of "
                f"{table.num_rows}, or their bytes are others"
            )


def _part_of(name: str) -> str:
    """Dataset, person and kind of place, without the numbers of commit and row."""
    return re.sub(r"( \d+)+$", "", name)


def _kind(store: ObjectStore, place: str) -> str:
    """As `kind_of`, and what a document describes."""
    kind = kind_of(place)
    if kind != "document":
        return kind
    document = read_json(store.get(place), name=place)
    for key, name in (("logical", "commit manifest"), ("selection", "snapshot"), ("type", "column manifest")):
        if key in document:
            return name
    return "statistics" if "columns" in document else "document"


def notes(counts: dict[str, float]) -> list[str]:
    """How much was planted where."""
    kinds = ", ".join(f"{name[5:]} {amount:.0f}" for name, amount in sorted(counts.items()) if name.startswith("kind "))
    modes = ", ".join(f"{name[5:]} {amount:.0f}" for name, amount in sorted(counts.items()) if name.startswith("mode "))
    return [
        f"{counts.get('canaries', 0):,.0f} canaries in objects before: {kinds}",
        f"purged by: {modes}; {counts.get('rows', 0):,.0f} rows; {counts.get('killed', 0):.0f} writers killed before",
    ]
