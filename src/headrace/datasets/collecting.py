"""Garbage collection: removes objects that no log refers to, in a way that no concurrent writer can lose by.

    list objects ─▶ read log ─▶ choose ─▶ entry "collect" (names them) ─▶ delete ─▶ entry "collected"

The entry orders collection and commits: a commit claimed before it is seen by the choice, which is made again from
the newest state; a commit claimed after it finds its objects named there and is refused. Age and leases only make that
rare.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.datasets.collector_process import has_died, this_process
from headrace.datasets.html_reprs import HtmlTable
from headrace.datasets.kept_indexes import INDEX_PREFIX
from headrace.datasets.leases import GRACE_SECONDS, oldest_lease, remove_ended_leases
from headrace.datasets.manifests import document_key, read_document, write_document
from headrace.datasets.reachable import reachable_keys
from headrace.datasets.removing import purgeable_objects
from headrace.errors import InvalidInput, NotFound, Unavailable
from headrace.progress import NO_PROGRESS, Progress
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.storage.half_written import half_written_files, remove_half_written
from headrace.storage.keys import TEMPORARY_FOLDER
from headrace.storage.log import EntryLog
from headrace.storage.store import ObjectStat

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset
    from headrace.datasets.dataset_state import DatasetState
    from headrace.datasets.lake import Lake
    from headrace.datasets.lake_state import LakeState
    from headrace.datasets.records import Collection

__all__ = ["CollectedObject", "CollectionReport", "RoundLimits", "collect_garbage", "is_given_up", "store_time"]

_TAKEOVER_SECONDS = 900.0
"""When a round that is not over counts as given up; far more than `RoundLimits.seconds`."""

_PARALLEL_DELETES = 16
_OBJECTS = "objects/"


@dataclass(frozen=True, slots=True)
class RoundLimits:
    """What one entry of the log covers.

    A collector stops before another may say that its round is over, so that it never deletes what came back since.
    """

    num_objects: int = 10_000
    seconds: float = 300.0


_LIMITS = RoundLimits()


@dataclass(frozen=True, slots=True)
class CollectedObject:
    """An object that was, or would be, removed."""

    key: str
    size: int  # bytes
    reason: str


@dataclass(slots=True)
class CollectionReport(HtmlTable):
    """What garbage collection removed, or would remove in a dry run."""

    dry_run: bool
    objects: list[CollectedObject] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # datasets under a hold or half purged, with the reason
    num_young: int = 0  # unreferenced, but younger than the grace period or a write that is alive

    @property
    def num_objects(self) -> int:
        """How many objects."""
        return len(self.objects)

    @property
    def num_bytes(self) -> int:
        """Bytes of all of them."""
        return sum(item.size for item in self.objects)

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {"num_objects": self.num_objects, "num_bytes": self.num_bytes, **asdict(self)}


def collect_garbage(
    lake: Lake,
    *,
    dry_run: bool,
    grace_seconds: float = GRACE_SECONDS,
    progress: Progress = NO_PROGRESS,
    limits: RoundLimits = _LIMITS,
) -> CollectionReport:
    """Remove what no log refers to and is older than the grace period by the store's clock.

    Raises:
        InvalidInput: A negative grace period.
        DataCorrupted: A manifest cannot be read; nothing of that dataset is removed.
    """
    if not grace_seconds >= 0:
        raise InvalidInput(f"grace_seconds is {grace_seconds}: expected 0 or more")
    report = CollectionReport(dry_run)
    if not dry_run:
        lake.store.prepare_for_writing()
    now = lake.clock() / 1_000_000 if dry_run else store_time(lake)
    try:
        for dataset in lake.every_dataset():
            progress.start(dataset.name)
            if dataset.id in lake.state().purged:
                _remove(lake, report, list(_purged_objects(dataset)))
                continue
            state = dataset.state()
            if state.hold is not None:
                report.skipped.append(f"{dataset.name}: {state.hold}")
                continue
            if state.is_closed:
                report.skipped.append(f"{dataset.name}: its purge was interrupted; purge it again")
                continue
            _collect(dataset, report, now=now, grace_seconds=grace_seconds, limits=limits)
            _remove_checkpoints(lake, report, dataset.log_of_entries, older_than=now - grace_seconds)
        progress.start("folders of failed creates")
        _remove(lake, report, _abandoned(lake, report, now=now, grace_seconds=grace_seconds, limits=limits))
        _remove(lake, report, _old_indexes(lake, oldest=now - grace_seconds))
        _remove_half_written(lake, report, older_than=now - grace_seconds)
        _remove_checkpoints(lake, report, lake.log_of_entries, older_than=now - grace_seconds)
    finally:
        progress.finish()
    return report


def _collect(
    dataset: Dataset, report: CollectionReport, *, now: float, grace_seconds: float, limits: RoundLimits
) -> None:
    store = dataset.lake.store
    oldest_alive = min(now - grace_seconds, oldest_lease(store, dataset.base, now=now))
    listed = {stat.key[len(dataset.base) :]: stat for stat in store.list(dataset.base + _OBJECTS)}
    while True:
        chosen = _Choice(
            dataset, listed, oldest_alive, max_objects=len(listed) if report.dry_run else limits.num_objects
        )
        if report.dry_run:
            chosen.update(dataset.state())
            report.objects.extend(chosen.objects.values())
            report.num_young += chosen.num_young
            return
        removed = _collect_round(dataset, chosen, now, limits)
        report.objects.extend(removed)
        for item in removed:
            del listed[item.key[len(dataset.base) :]]
        if len(removed) < limits.num_objects:
            report.num_young += chosen.num_young
            break
    for collection in dataset.state().collections:
        key = document_key(collection.condemned)
        if collection.is_done and key in listed and listed[key].modified_at <= oldest_alive:
            store.delete(dataset.base + key)
    remove_ended_leases(store, dataset.base, now=now)


class _Choice:
    """Which of the listed objects go, for one state of the log."""

    def __init__(
        self, dataset: Dataset, listed: Mapping[str, ObjectStat], oldest_alive: float, *, max_objects: int
    ) -> None:
        self._dataset = dataset
        self._listed = listed
        self._oldest_alive = oldest_alive
        self._max_objects = max_objects
        self.objects: dict[str, CollectedObject] = {}  # by key below the dataset
        self.num_young = 0

    def update(self, state: DatasetState) -> None:
        """Choose again, at most as many as asked."""
        # Lists of collections that are over go without an entry: nobody refers to them.
        lists = {document_key(item.condemned) for item in state.collections}
        kept = reachable_keys(self._dataset, state) | lists
        condemned = self._condemned(state)
        self.objects = {}
        self.num_young = 0
        for key, stat in self._listed.items():
            if key in kept:
                continue
            if key not in condemned and stat.modified_at > self._oldest_alive:
                self.num_young += 1
            elif len(self.objects) < self._max_objects:
                reason = condemned.get(key, "no entry refers to it")
                self.objects[key] = CollectedObject(stat.key, stat.size, reason)

    def _condemned(self, state: DatasetState) -> dict[str, str]:
        """Keys that go whatever their age."""
        found: dict[str, str] = {}
        for item in state.collections:
            if not item.is_done:
                # Gone only where a rival has ended the collection since: then this choice loses the race for its entry.
                with contextlib.suppress(NotFound):
                    found.update(dict.fromkeys(self._keys(item.condemned), "left by an interrupted collection"))
        for digest in state.purged_keys:
            found.update(dict.fromkeys(self._keys(digest), "held purged rows"))
        return found

    def _keys(self, digest: str) -> list[str]:
        keys: list[str] = read_document(self._dataset.lake.store, self._dataset.base, digest=digest)["keys"]
        return keys


def _collect_round(dataset: Dataset, choice: _Choice, now: float, limits: RoundLimits) -> list[CollectedObject]:
    store = dataset.lake.store
    started = time.monotonic(), time.time()
    taken_over: list[int] = []
    condemned: list[str] = []
    since = dataset.log_of_entries.number

    def plan(state: DatasetState) -> Mapping[str, JsonValue] | None:
        dataset.require_no_hold(state)
        choice.update(state)
        taken_over[:] = [
            item.entry for item in state.collections if not item.is_done and is_given_up(dataset, item, now=now)
        ]
        if not choice.objects and not taken_over:
            return None
        # The random id keeps two collections from sharing a list: the end of one must not remove the other's.
        document = {"format": 1, "id": secrets.token_hex(8), "keys": sorted(choice.objects)}
        condemned[:] = [write_document(store, dataset.base, data=canonical_json(document))]
        return {
            "condemned": condemned[0],
            "process": this_process(),
            "num_objects": len(choice.objects),
            "num_bytes": sum(item.size for item in choice.objects.values()),
        }

    entry = dataset.append("collect", plan, refers_to=lambda: map(document_key, condemned), since=since)
    if entry is None:
        return []

    def remove(item: CollectedObject) -> None:
        # The second clock goes on while the machine sleeps.
        if max(time.monotonic() - started[0], time.time() - started[1]) > limits.seconds:
            raise Unavailable(
                f"removing the objects of dataset {dataset.name!r} took more than {limits.seconds:,.0f} seconds; what "
                "is left goes with the next collection, in a quarter of an hour or later"
            )
        store.delete(item.key)

    removed = [choice.objects[key] for key in sorted(choice.objects)]
    with ThreadPoolExecutor(_PARALLEL_DELETES, thread_name_prefix="headrace-collect") as pool:
        list(pool.map(remove, removed))
    for number in (entry.number, *taken_over):
        dataset.append("collected", lambda state, number=number: _done(state, number))  # type: ignore[misc]
    return removed


def _done(state: DatasetState, number: int) -> Mapping[str, JsonValue] | None:
    is_open = any(item.entry == number and not item.is_done for item in state.collections)
    return {"entry": number} if is_open else None


def is_given_up(dataset: Dataset, collection: Collection, *, now: float) -> bool:
    """Whether the collector has surely stopped removing: it died on this machine, or its time is over.

    The time is the store's, because machines' clocks differ.
    """
    if has_died(collection.process):
        return True
    stat = dataset.lake.store.stat(dataset.log_of_entries.key(collection.entry))
    return stat is not None and now - stat.modified_at > _TAKEOVER_SECONDS


def _purged_objects(dataset: Dataset) -> Iterator[CollectedObject]:
    """What a purge that was interrupted left; the log stays, because it tells that there was a purge."""
    for stat in purgeable_objects(dataset):
        yield CollectedObject(stat.key, stat.size, "its dataset was purged")


def _abandoned(
    lake: Lake, report: CollectionReport, *, now: float, grace_seconds: float, limits: RoundLimits
) -> list[CollectedObject]:
    """Everything below folders that no entry of the lake's log names, if nothing in them is young.

    An entry of the lake's log says first that they are given up: a create that still goes on cannot be registered then.
    """
    folders: dict[str, list[ObjectStat]] = {}
    for stat in lake.store.list("datasets/"):
        folders.setdefault("/".join(stat.key.split("/")[1:2]), []).append(stat)
    chosen: list[str] = []

    def choose(state: LakeState) -> Mapping[str, JsonValue] | None:
        known = {record.uid for record in state.by_id.values()}
        report.num_young -= num_young[0]
        num_young[0] = 0
        chosen.clear()
        for uid, stats in folders.items():
            if uid in known:
                continue
            if uid in state.given_up or max(stat.modified_at for stat in stats) <= now - grace_seconds:
                chosen.append(uid)
            else:
                num_young[0] += len(stats)
        report.num_young += num_young[0]
        fresh = [uid for uid in chosen if uid not in state.given_up][: limits.num_objects]
        chosen[:] = [uid for uid in chosen if uid in state.given_up or uid in fresh]
        return {"uids": fresh} if fresh else None

    num_young = [0]
    if report.dry_run:
        choose(lake.state())
    else:
        lake.append("give-up-folders", choose)
    return [
        CollectedObject(stat.key, stat.size, "left by a create that failed") for uid in chosen for stat in folders[uid]
    ]


def _old_indexes(lake: Lake, *, oldest: float) -> list[CollectedObject]:
    """Indexes of shards that nobody has adopted since."""
    return [
        CollectedObject(stat.key, stat.size, "left by an interrupted adoption")
        for stat in lake.store.list(INDEX_PREFIX)
        if stat.modified_at <= oldest
    ]


def _remove_half_written(lake: Lake, report: CollectionReport, *, older_than: float) -> None:
    """What killed writers left on a local disk; it may hold rows that were purged since."""
    for name, size in list(half_written_files(lake.store, older_than=older_than)):
        reason = "half-written by a process that died"
        report.objects.append(CollectedObject(f"{TEMPORARY_FOLDER}/{name}", size, reason))
        if not report.dry_run:
            remove_half_written(lake.store, name)


def _remove_checkpoints(lake: Lake, report: CollectionReport, log: EntryLog[Any], *, older_than: float) -> None:
    """Derived, so that nobody has to be asked: whoever misses a page reads the log."""
    for stats in log.checkpoints.superseded(older_than=older_than):
        report.objects.extend(CollectedObject(stat.key, stat.size, "superseded checkpoint") for stat in stats)
        if not report.dry_run:
            with ThreadPoolExecutor(_PARALLEL_DELETES, thread_name_prefix="headrace-collect") as pool:
                list(pool.map(lake.store.delete, [stat.key for stat in stats]))


def _remove(lake: Lake, report: CollectionReport, objects: list[CollectedObject]) -> None:
    report.objects.extend(objects)
    if not report.dry_run:
        for item in objects:
            lake.store.delete(item.key)


def store_time(lake: Lake) -> float:
    """Seconds since 1970 by the store's clock, because it is the one that dated the objects."""
    key = f"derived/clock/{secrets.token_hex(8)}"
    lake.store.put_new(key, b"")
    stat = lake.store.stat(key)
    lake.store.delete(key)
    if stat is None:
        raise RuntimeError(f"{key} vanished")
    return stat.modified_at
