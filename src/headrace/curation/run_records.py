"""What is written down of runs, in the lake: begun, ended, and everything that `show` and `explain` need."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from headrace.curation.stage_rows import StageStore, list_scopes
from headrace.errors import InvalidInput, NotFound
from headrace.schema.near_misses import near_miss
from headrace.storage.canonical import read_json
from headrace.storage.store import ObjectStore

__all__ = ["RunRecord", "StageRecord", "find_run", "list_runs", "new_run_id", "newest_runs", "write_run"]

RunState = Literal["running", "finished", "failed"]

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class StageRecord:
    """One stage of one run."""

    name: str
    kind: str
    summary: str
    key: str  # of its result in the cache
    inputs: dict[str, str]  # name in the stage -> stage or source
    rows_in: int
    rows_out: int
    dropped: int
    quarantined: int
    cached: bool  # found as a whole
    calls: dict[str, int]  # operator -> rows that it was called for
    seconds: float
    compared: list[str] = field(default_factory=list)  # columns that the settings of a table operator name
    conditions: list[str] = field(default_factory=list)  # expressions in its settings
    work: str = ""  # digest of what it does, without what it reads
    operators: list[str] | None = None  # digests of its operators, which name their ledgers; None: not written down


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. Times are seconds since 1970."""

    run_id: str
    recipe: str
    plan_hash: str
    state: RunState
    started_at: float
    base: str  # of the stage store
    finished_at: float | None = None
    error: str | None = None
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> lake, reference, stage key
    stages: list[StageRecord] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> dataset, snapshot, num_rows
    process: str | None = None  # which one, for its neighbours on the same machine

    @property
    def num_quarantined(self) -> int:
        return sum(stage.quarantined for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """A plain document."""
        return {"format": _FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> RunRecord:
        """What `to_json` made.

        Raises:
            InvalidInput: A newer version of Headrace wrote it.
        """
        if document.get("format") != _FORMAT:
            raise InvalidInput(f"run of format {document.get('format')!r}; update Headrace to read it")
        fields = {name: value for name, value in document.items() if name != "format"}
        return cls(**{**fields, "stages": [StageRecord(**stage) for stage in fields["stages"]]})


def new_run_id() -> str:
    """Sorts by time, to a quarter of a millisecond; unique among machines."""
    now = time.time()
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}-{int(now % 1 * 4096):03x}{secrets.token_hex(2)}"


def write_run(stage_store: StageStore, record: RunRecord) -> None:
    """Write down how a run stands; what was written before stays beside it."""
    key = f"{stage_store.base}runs/{record.run_id}.{record.state}.json"
    stage_store.store.put_new(key, json.dumps(record.to_json()).encode())


def list_runs(store: ObjectStore) -> list[RunRecord]:
    """Each run as it stands, the newest first."""
    return newest_runs(store, limit=None)


def newest_runs(store: ObjectStore, *, limit: int | None, base: str | None = None) -> list[RunRecord]:
    """The newest runs as they stand, the newest first.

    Args:
        limit: How many; None: all.
        base: Of the stage store whose runs are meant; None: of all.
    """
    newest: dict[str, str] = {}
    for run_id, key in _keys(store) if base is None else _keys_below(store, base):
        if run_id not in newest or newest[run_id].endswith(".running.json"):
            newest[run_id] = key
    return [_read(store, newest[run_id]) for run_id in sorted(newest, reverse=True)[:limit]]


def find_run(store: ObjectStore, run_id: str) -> RunRecord:
    """The run of this id, or whose id begins like this; "last" is the newest.

    Raises:
        NotFound: There is none.
    """
    known = sorted({found for found, _ in _keys(store)})
    matching = known[-1:] if run_id == "last" else [found for found in known if found.startswith(run_id)]
    if len(matching) != 1:
        said = "several begin like this." if matching else f"there is none.{near_miss(run_id, known)}"
        raise NotFound(f"run {run_id!r}: {said} To see all: headrace recipe status {store.uri}")
    keys = [key for found, key in _keys(store) if found == matching[0]]
    return _read(store, next((key for key in keys if not key.endswith(".running.json")), keys[0]))


def _keys(store: ObjectStore) -> Iterator[tuple[str, str]]:
    """(id, key) of what is written down of runs. Results, of which there are many more, are not listed."""
    for base in list_scopes(store):
        yield from _keys_below(store, base)


def _keys_below(store: ObjectStore, base: str) -> Iterator[tuple[str, str]]:
    for stat in store.list(f"{base}runs/"):
        name = stat.key.rpartition("/")[2]
        if name.endswith(".json"):
            yield name.partition(".")[0], stat.key


def _read(store: ObjectStore, key: str) -> RunRecord:
    return RunRecord.from_json(read_json(store.get(key), name=f"{store.uri}/{key}"))
