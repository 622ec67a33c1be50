"""Old results of recipes are removed: rows of stages, ledgers, replaced media and records that no kept run refers to.

Kept are the newest runs of each recipe, all that are young, and everything that these refer to. What goes can be
computed again; the records of old runs cannot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from headrace.curation.cleaning_mark import CLEANING_SECONDS, CleaningMark
from headrace.curation.ledger import replaced_shards
from headrace.curation.replaced_media import AT
from headrace.curation.run_records import RunRecord, newest_runs
from headrace.curation.stage_cache import StageCache, result_key
from headrace.curation.stage_rows import StageRows, StageStore, list_scopes
from headrace.datasets.collector_process import has_died
from headrace.datasets.lake import Lake
from headrace.errors import InvalidInput
from headrace.storage.parts import part_key
from headrace.storage.shards import shard_key
from headrace.storage.store import ObjectStat

__all__ = ["CleanedObject", "CleaningReport", "clean_results"]

_DAY = 86_400.0
_LOST_SECONDS = 7 * _DAY
"""When a run on another machine that says it is running counts as killed."""


@dataclass(frozen=True, slots=True)
class CleanedObject:
    """An object that was, or would be, removed."""

    key: str
    size: int  # bytes
    reason: str


@dataclass(slots=True)
class CleaningReport:
    """What was removed, or would be in a dry run."""

    dry_run: bool
    objects: list[CleanedObject] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # what was left alone, with the reason
    runs_kept: list[str] = field(default_factory=list)  # ids
    runs_removed: list[str] = field(default_factory=list)

    @property
    def num_bytes(self) -> int:
        """Bytes of all objects."""
        return sum(item.size for item in self.objects)

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {"num_objects": len(self.objects), "num_bytes": self.num_bytes, **asdict(self)}


def clean_results(
    lake: Lake,
    *,
    older_than_seconds: float = 30 * _DAY,
    keep_runs: int = 3,
    dry_run: bool,
    clock: Callable[[], float] = time.time,
) -> CleaningReport:
    """Remove results that are older and that no kept run refers to.

    Where a run is under way nothing is removed; a run that starts meanwhile waits until this is over.

    Args:
        older_than_seconds: Runs and objects younger than this stay.
        keep_runs: Of each recipe, however old.
        clock: Seconds since 1970.

    Raises:
        InvalidInput: A negative age, or no run to keep.
    """
    if not older_than_seconds >= 0:
        raise InvalidInput(f"older_than_seconds is {older_than_seconds}: expected 0 or more")
    if keep_runs < 1:
        raise InvalidInput(f"keep_runs is {keep_runs}: expected 1 or more; the newest run of a recipe is in use")
    report = CleaningReport(dry_run)
    if not dry_run:
        lake.store.prepare_for_writing()
    oldest = clock() - older_than_seconds
    bases = list(list_scopes(lake.store))
    # Recipes over some of the same datasets read each other's ledgers.
    kept = {
        base: _kept_runs(newest_runs(lake.store, limit=None, base=base), oldest=oldest, keep_runs=keep_runs)
        for base in bases
    }
    ledgers = {key for runs in kept.values() for key in _ledgers_of(runs)}
    is_told = all(_tells_ledgers(runs) for runs in kept.values())
    if not is_told:
        report.skipped.append("ledgers and media: a kept run is of a version that does not name them")
    for base in bases:
        _clean_base(
            lake, base, report, oldest=oldest, keep_runs=keep_runs, ledgers=ledgers if is_told else None, clock=clock
        )
    return report


def _kept_runs(runs: Sequence[RunRecord], *, oldest: float, keep_runs: int) -> list[RunRecord]:
    """Young ones, and the newest of each recipe; of killed ones nobody knows what they refer to."""
    counts: dict[str, int] = {}
    kept: list[RunRecord] = []
    for run in sorted(runs, key=lambda run: run.started_at, reverse=True):
        counts[run.recipe] = counts.get(run.recipe, 0) + (run.state != "running")
        if run.started_at > oldest or (run.state != "running" and counts[run.recipe] <= keep_runs):
            kept.append(run)
    return kept


def _ledgers_of(runs: Sequence[RunRecord]) -> set[str]:
    return {key for run in runs for stage in run.stages for key in stage.operators or ()}


def _tells_ledgers(runs: Sequence[RunRecord]) -> bool:
    stages = [stage for run in runs for stage in run.stages if stage.kind in ("operator", "operators")]
    return all(stage.operators is not None for stage in stages)


def _clean_base(
    lake: Lake,
    base: str,
    report: CleaningReport,
    *,
    oldest: float,
    keep_runs: int,
    ledgers: set[str] | None,
    clock: Callable[[], float],
) -> None:
    mark = CleaningMark(lake.store, base)
    if not report.dry_run and not mark.take():
        report.skipped.append(f"{base}: somebody else is cleaning it")
        return
    try:
        runs = newest_runs(lake.store, limit=None, base=base)
        alive = [run.run_id for run in runs if _may_be_running(run, now=clock())]
        if alive:
            report.skipped.append(f"{base}: run {alive[0]} is under way, or was killed on another machine this week")
            return
        kept = _kept_runs(runs, oldest=oldest, keep_runs=keep_runs)
        report.runs_kept += [run.run_id for run in kept]
        report.runs_removed += [run.run_id for run in runs if run not in kept]
        used = None if ledgers is None else ledgers | _ledgers_of(kept)
        chosen = _Choice(lake, base, kept, oldest=oldest, ledgers=used).objects()
        if report.dry_run:
            report.objects += chosen
            return
        began = time.monotonic()
        for item in chosen:
            if time.monotonic() - began > CLEANING_SECONDS:
                report.skipped.append(f"{base}: not done after {CLEANING_SECONDS:,.0f} seconds; clean once more")
                return
            lake.store.delete(item.key)
            report.objects.append(item)
    finally:
        if not report.dry_run:
            mark.release()


def _may_be_running(run: RunRecord, *, now: float) -> bool:
    return run.state == "running" and not has_died(run.process) and now - run.started_at < _LOST_SECONDS


class _Choice:
    """What of one folder goes."""

    def __init__(
        self, lake: Lake, base: str, kept_runs: Sequence[RunRecord], *, oldest: float, ledgers: set[str] | None
    ) -> None:
        """`ledgers`: digests of operators in use; None: all ledgers and what they refer to stay."""
        self._store = StageStore.at(lake, base)
        self._base = base
        self._oldest = oldest
        self._kept_runs = kept_runs
        self._ledgers = ledgers

    def objects(self) -> list[CleanedObject]:
        """In the order in which they go: what refers to others first, records last."""
        in_use = self._in_use()
        kept_ids = {run.run_id for run in self._kept_runs}
        found: list[list[CleanedObject]] = [[], [], [], []]
        for stat in self._store.store.list(self._base):
            if stat.modified_at > self._oldest:
                continue
            place = stat.key[len(self._base) :]
            folder, _, rest = place.partition("/")
            if folder == "stages" and stat.key not in in_use:
                found[0].append(_cleaned(stat, "a stage's result that no kept run refers to"))
            elif folder == "operators" and self._ledgers is not None and rest.split("/")[1] not in self._ledgers:
                found[1].append(_cleaned(stat, "of an operator that no kept run used"))
            elif folder == "objects" and stat.key not in in_use:
                if place.endswith(".parquet"):
                    found[2].append(_cleaned(stat, "rows that no kept run refers to"))
                elif self._ledgers is not None:
                    found[2].append(_cleaned(stat, "replaced media that no kept run refers to"))
            elif folder == "runs" and rest.partition(".")[0] not in kept_ids:
                found[3].append(_cleaned(stat, "record of an old run"))
        return [item for group in found for item in group]

    def _in_use(self) -> set[str]:
        """Keys of objects that kept runs refer to."""
        cache = StageCache(self._store)
        keys = {stage.key for run in self._kept_runs for stage in run.stages}
        keys |= {source["key"] for run in self._kept_runs for source in run.sources.values()}
        found: set[str] = set()
        shards: set[str] = set()
        for key in keys:
            result = cache.find(key)
            if result is None:
                continue
            found.add(result_key(self._base, key))
            for rows in (result.rows, result.dropped, result.failed):
                found.update(self._base + part_key(part.digest) for part in rows.parts)
            shards |= self._shards_of(result.rows)
        for ledger in self._ledgers or ():
            shards |= replaced_shards(self._store.store, f"{self._base}operators/{ledger[:2]}/{ledger}/")
        return found | {self._base + shard_key(shard) for shard in shards}

    def _shards_of(self, rows: StageRows) -> set[str]:
        """Of media that operators wrote anew."""
        names = [name for name in rows.schema.names if name.startswith(AT)]
        if not names:
            return set()
        return {
            place["shard"]
            for table in self._store.tables(rows, columns=names)
            for name in names
            for place in table.column(name).drop_null().to_pylist()
        }


def _cleaned(stat: ObjectStat, reason: str) -> CleanedObject:
    return CleanedObject(stat.key, stat.size, reason)
