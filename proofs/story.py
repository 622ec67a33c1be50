"""The operations of a lake that the proofs interrupt, each with what everybody must see before and after it.

`OPERATIONS` is the one place to add an operation: what it does, and what it does to the view. The view is plain Python,
computed without the code under test.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from headrace.datasets.dataset import Dataset
from headrace.datasets.ingest import IngestLayout
from headrace.datasets.lake import Lake
from headrace.datasets.snapshot import Snapshot
from headrace.errors import Unavailable
from headrace.storage.checkpoints import INTERVAL
from headrace.storage.local import LocalStore
from headrace.storage.store import ObjectStore
from proofs.places import contents_of
from proofs.stepping import KindInHand, SteppedStore

__all__ = [
    "NAME",
    "OPERATIONS",
    "Operation",
    "Row",
    "Scene",
    "View",
    "built_operations",
    "check_lake",
    "images",
    "observe",
    "open_lake",
    "operations_not_built",
    "pictures_left",
    "play",
    "rows_of",
    "source_of",
]

NAME = "photos"
Row = tuple[str, str, int]  # id, label, number of its picture
Rows = tuple[Row, ...]


@functools.cache
def images() -> tuple[bytes, ...]:
    """24 small pictures; label number k has those with number = k modulo 3 and no other label has them."""
    found = []
    for number in range(24):
        image = Image.new("RGB", (8, 6), ((number * 37) % 256, (number * 91) % 256, number))
        image.putpixel((number % 8, number % 6), (255, 255, 255))
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        found.append(buffer.getvalue())
    return tuple(found)


@dataclass(frozen=True, slots=True)
class View:
    """What everybody can see of the lake."""

    exists: bool = False
    num_commits: int = 0
    rows: Rows = ()  # of all commits, those deleted left out
    snapshots: tuple[Rows, ...] = ()  # logged ones, oldest first
    aliases: tuple[tuple[str, Rows], ...] = ()  # by name

    def to_json(self) -> str:
        return json.dumps([self.exists, self.num_commits, self.rows, self.snapshots, self.aliases])

    @classmethod
    def from_json(cls, text: str) -> View:
        exists, num_commits, rows, snapshots, aliases = json.loads(text)
        return cls(
            exists,
            num_commits,
            _rows(rows),
            tuple(_rows(snapshot) for snapshot in snapshots),
            tuple((name, _rows(target)) for name, target in aliases),
        )

    def describe(self) -> str:
        """Short, for the message of a violation."""
        if not self.exists:
            return "no dataset"
        aliases = ", ".join(f"{name}: {len(rows)} rows" for name, rows in self.aliases)
        return (
            f"{self.num_commits} commits, {len(self.rows)} rows ({', '.join(row[0] for row in self.rows)}), "
            f"snapshots of {[len(rows) for rows in self.snapshots]} rows, aliases {{{aliases}}}"
        )


@dataclass(frozen=True, slots=True)
class Scene:
    """What varies with the seed: how many rows, which pictures, how they are laid out."""

    seed: str

    def rows(self, number: int) -> Rows:
        """The rows of one commit; a dataset may get the same ones twice, so ids name commit and row."""
        randomness = random.Random(f"{self.seed} rows {number}")
        count = randomness.randrange(1, 5)
        labels = [randomness.randrange(3) for _ in range(count)]
        return tuple(
            (f"{number}-{idx}", f"l{label}", 3 * randomness.randrange(8) + label) for idx, label in enumerate(labels)
        )

    @property
    def layout(self) -> IngestLayout:
        """Small parts and shards, so that a commit has several of them now and then."""
        randomness = random.Random(f"{self.seed} layout")
        return IngestLayout(part_rows=randomness.choice((2, 100)), shard_bytes=randomness.choice((1500, 100_000)))


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a user does, claimed by one log entry (or by none, when it changes nothing to see)."""

    name: str
    act: Callable[[Lake, Scene, View], None]
    after: Callable[[View, Scene], View]
    needs: tuple[str, ...]  # operations that set the stage, in order
    built: Callable[[], bool] = lambda: True
    is_interrupted: bool = True  # False: it only sets the stage for others
    num_seeds: int = 25  # of the full kill matrix
    leaves_nothing_of: Callable[[View], Sequence[int]] = lambda view: ()  # pictures that must be gone from the bytes


def _rows(document: list[list[Any]]) -> Rows:
    return tuple((name, label, picture) for name, label, picture in document)


def source_of(rows: Rows) -> list[dict[str, Any]]:
    """The rows as a user hands them in."""
    return [{"id": name, "label": label, "image": images()[picture]} for name, label, picture in rows]


def _create(lake: Lake, scene: Scene, view: View) -> None:
    lake.create_dataset(NAME, type="IMAGE_CLASS", source=source_of(scene.rows(1)), layout=scene.layout)


def _commit(lake: Lake, scene: Scene, view: View) -> None:
    rows = scene.rows(view.num_commits + 1)
    lake.dataset(NAME).commit(source_of(rows), layout=scene.layout, tags={"n": str(view.num_commits + 1)})


def _after_commit(view: View, scene: Scene) -> View:
    number = view.num_commits + 1
    return replace(view, num_commits=number, rows=view.rows + scene.rows(number))


def _commit_same_bytes(lake: Lake, scene: Scene, view: View) -> None:
    """Rows that were committed before: every part and shard is there already."""
    lake.dataset(NAME).commit(source_of(scene.rows(1)), layout=scene.layout, tags={"n": "1"})


def _snapshot(lake: Lake, scene: Scene, view: View) -> None:
    lake.dataset(NAME).snapshot()


def _after_snapshot(view: View, scene: Scene) -> View:
    # The same choice of the same commits is the same snapshot.
    known = view.rows in view.snapshots
    return view if known else replace(view, snapshots=(*view.snapshots, view.rows))


def _alias(lake: Lake, scene: Scene, view: View) -> None:
    lake.dataset(NAME).logged_snapshot(lake.dataset(NAME).snapshots[-1]).alias(f"alias{len(view.snapshots) % 2}")


def _after_alias(view: View, scene: Scene) -> View:
    targets = {**dict(view.aliases), f"alias{len(view.snapshots) % 2}": view.snapshots[-1]}
    return replace(view, aliases=tuple(sorted(targets.items())))


_ENTRIES_OF_STAGE = 6  # create, commit 1 with it, two more, snapshot, alias


def _reach_checkpoint(lake: Lake, scene: Scene, view: View) -> None:
    """Fill the log with aliases until the next entry is the one that a checkpoint belongs to."""
    dataset = lake.dataset(NAME)
    snapshot = dataset.logged_snapshot(dataset.snapshots[-1])
    for number in range(_ENTRIES_OF_STAGE, INTERVAL - 1):
        dataset.set_alias(f"filler{number:02d}", snapshot)


def _after_reach_checkpoint(view: View, scene: Scene) -> View:
    fillers = {f"filler{number:02d}": view.snapshots[-1] for number in range(_ENTRIES_OF_STAGE, INTERVAL - 1)}
    return replace(view, aliases=tuple(sorted({**dict(view.aliases), **fillers}.items())))


def _litter(lake: Lake, scene: Scene, view: View) -> None:
    """A commit whose claim fails leaves objects that nothing refers to."""

    def refuse(point: str) -> None:
        if point == "before put_new dataset log":
            raise Unavailable("no claims today")

    broken = Lake(SteppedStore(lake.store, refuse, kinds=KindInHand()))
    with contextlib.suppress(Unavailable):
        broken.dataset(NAME).commit(source_of(scene.rows(99)), layout=scene.layout)


def _rows_with(label: str, view: View) -> dict[str, Any]:
    """Names rows by their keys where there are any: a condition starts a query engine, which takes most of the time."""
    keys = sorted({row[0] for row in view.rows if row[1] == label})
    return {"keys": keys} if keys else {"where": f"label = '{label}'"}


def _delete(lake: Lake, scene: Scene, view: View) -> None:
    lake.dataset(NAME).delete_rows(**_rows_with("l1", view))


def _purge(lake: Lake, scene: Scene, view: View) -> None:
    lake.dataset(NAME).purge(**_rows_with("l2", view))


def _without(rows: Rows, label: str) -> Rows:
    return tuple(row for row in rows if row[1] != label)


def _after_purge(view: View, scene: Scene) -> View:
    return replace(
        view,
        rows=_without(view.rows, "l2"),
        snapshots=tuple(_without(rows, "l2") for rows in view.snapshots),
        aliases=tuple((name, _without(rows, "l2")) for name, rows in view.aliases),
    )


def _compact(lake: Lake, scene: Scene, view: View) -> None:
    lake.dataset(NAME).compact()


def _collect(lake: Lake, scene: Scene, view: View) -> None:
    lake.gc(dry_run=False, grace_seconds=0)


def _same(view: View, scene: Scene) -> View:
    return view


_STAGE = ("create", "commit", "commit", "snapshot", "alias")

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation("create", _create, lambda view, scene: View(True, 1, scene.rows(1)), (), num_seeds=3),
        Operation("commit", _commit, _after_commit, ("create", "commit")),
        Operation(
            "commit_same_bytes",
            _commit_same_bytes,
            lambda view, scene: replace(view, num_commits=view.num_commits + 1, rows=view.rows + scene.rows(1)),
            ("create", "commit"),
            num_seeds=3,
        ),
        Operation("snapshot", _snapshot, _after_snapshot, ("create", "commit")),
        Operation("alias", _alias, _after_alias, ("create", "snapshot"), num_seeds=3),
        Operation("commit_with_checkpoint", _commit, _after_commit, (*_STAGE, "reach_checkpoint"), num_seeds=3),
        Operation("reach_checkpoint", _reach_checkpoint, _after_reach_checkpoint, _STAGE, is_interrupted=False),
        Operation("litter", _litter, _same, _STAGE, is_interrupted=False),
        Operation(
            "delete",
            _delete,
            lambda view, scene: replace(view, rows=_without(view.rows, "l1")),
            _STAGE,
            lambda: hasattr(Dataset, "delete_rows"),
            num_seeds=3,
        ),
        Operation("compact", _compact, _same, (*_STAGE, "commit"), lambda: hasattr(Dataset, "compact")),
        Operation(
            "purge",
            _purge,
            _after_purge,
            _STAGE,
            lambda: hasattr(Dataset, "purge"),
            leaves_nothing_of=lambda view: sorted({row[2] for row in view.rows if row[1] == "l2"}),
        ),
        Operation("gc", _collect, _same, (*_STAGE, "litter"), lambda: hasattr(Lake, "gc")),
    )
}


def built_operations() -> list[Operation]:
    """Those that this version of Headrace has and that a crash may interrupt."""
    return [operation for operation in OPERATIONS.values() if operation.is_interrupted and operation.built()]


def operations_not_built() -> list[str]:
    """Those that are planned: listed, never counted."""
    return [operation.name for operation in OPERATIONS.values() if not operation.built()]


def open_lake(store: ObjectStore | Path) -> Lake:
    """A lake as a new process would open it."""
    return Lake(LocalStore(store) if isinstance(store, Path) else store, actor="proof")


def play(lake: Lake, names: Sequence[str], scene: Scene, view: View) -> View:
    """Do the operations; the view that must result."""
    for name in names:
        operation = OPERATIONS[name]
        operation.act(lake, scene, view)
        view = operation.after(view, scene)
    return view


def observe(lake: Lake) -> View:
    """What a reader sees, every byte of it checked on the way."""
    if not lake.exists or not any(dataset.name == NAME for dataset in lake.datasets()):
        return View()
    dataset = lake.dataset(NAME)
    by_id = {snapshot_id: rows_of(dataset.logged_snapshot(snapshot_id)) for snapshot_id in dataset.snapshots}
    return View(
        True,
        len(dataset.log()),
        rows_of(dataset.select()),
        tuple(by_id.values()),
        tuple(sorted((name, by_id[snapshot_id]) for name, snapshot_id in dataset.aliases.items())),
    )


def rows_of(snapshot: Snapshot) -> Rows:
    """All rows of a snapshot, in order."""
    pictures = {image: number for number, image in enumerate(images())}
    table = snapshot.to_arrow(["id", "label", "image"])
    return tuple((row["id"], row["label"], pictures[row["image"]]) for row in table.to_pylist())


def check_lake(store: ObjectStore | Path, allowed: Sequence[View], scene: Scene) -> list[str]:
    """What is wrong with a lake after a crash: it must show one of the allowed views, go on, and verify."""
    lake = open_lake(store)
    view = observe(lake)
    if view not in allowed:
        expected = " | ".join(item.describe() for item in allowed)
        return [f"after the crash there is {view.describe()}; expected {expected}"]
    found = []
    following = OPERATIONS["commit" if view.exists else "create"]
    following.act(lake, scene, view)
    view = following.after(view, scene)
    if hasattr(lake, "gc"):
        lake.gc(dry_run=False, grace_seconds=0)
        rest = lake.gc(dry_run=True, grace_seconds=0)
        if rest.num_objects:
            found.append(f"after gc {rest.num_objects} objects are left, such as {rest.objects[0].key}")
    lake = open_lake(store)
    seen = observe(lake)
    if seen != view:
        found.append(f"after the next commit there is {seen.describe()}; expected {view.describe()}")
    return found + [f"verify says: {problem.message}" for problem in lake.verify().problems[:3]]


def pictures_left(store: ObjectStore, pictures: Sequence[int]) -> list[str]:
    """Files that still hold the bytes of a picture."""
    wanted = [images()[number] for number in pictures]
    return [name for name, data in contents_of(store) if any(picture in data for picture in wanted)]
