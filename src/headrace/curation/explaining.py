"""What a recorded run did: with all rows, stage by stage, and with one sample, value by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from headrace.connecting import connect
from headrace.curation.run_records import RunRecord, StageRecord
from headrace.curation.stage_cache import StageCache
from headrace.curation.stage_result import StageResult
from headrace.curation.stage_rows import StageRows, StageStore
from headrace.curation.stage_summary import StageCounts, StageSummary, count_stages, summarise_stage
from headrace.datasets.lake import Lake
from headrace.datasets.lineage import SampleLineage, find_samples
from headrace.errors import HeadraceError, NotFound
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["Explanation", "StageVerdict", "explain", "explain_stage", "explain_stages", "stage_results"]

Verdict = Literal["kept", "dropped", "quarantined"]


@dataclass(frozen=True, slots=True)
class StageVerdict:
    """One stage and the sample.

    Attributes:
        changed: Columns that the stage gave or changed, with the value before (None for a new column) and after.
        operator: Which decided, where it was dropped or failed.
        value: What was measured, as text.
        threshold: What it was held against, as text.
    """

    stage: str
    kind: str
    verdict: Verdict
    changed: Mapping[str, tuple[object, object]]
    operator: str | None = None
    reason: str | None = None
    value: str | None = None
    threshold: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The way of a sample through a run.

    Attributes:
        sample: Its `_id` in the source.
        source: Name of the source in the recipe.
        source_reference: The snapshot that was read, `LAKE::photos@id:HEX`.
        file: URI of the file, folder or archive that the sample came from; None where its dataset is gone.
        member: Path in the folder or archive.
        line: From 1, in the file.
        outputs: Names of the outputs that hold it.
    """

    run_id: str
    sample: str
    source: str
    stages: tuple[StageVerdict, ...]
    outputs: tuple[str, ...]
    source_reference: str = ""
    file: str | None = None
    member: str | None = None
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The document of `headrace recipe explain --json`."""
        return {
            "run_id": self.run_id,
            "sample": self.sample,
            "source": self.source,
            "source_reference": self.source_reference,
            "file": self.file,
            "member": self.member,
            "line": self.line,
            "stages": [
                {
                    "stage": stage.stage,
                    "kind": stage.kind,
                    "verdict": stage.verdict,
                    "changed": {name: {"before": pair[0], "after": pair[1]} for name, pair in stage.changed.items()},
                    "operator": stage.operator,
                    "reason": stage.reason,
                    "value": stage.value,
                    "threshold": stage.threshold,
                }
                for stage in self.stages
            ],
            "outputs": list(self.outputs),
        }


def stage_results(lake: Lake, record: RunRecord) -> tuple[StageStore, dict[str, StageResult]]:
    """Results of a run's sources and stages that are still kept, by name."""
    store = StageStore.at(lake, record.base)
    cache = StageCache(store)
    found = {name: cache.find(source["key"]) for name, source in record.sources.items()}
    found |= {stage.name: cache.find(stage.key) for stage in record.stages}
    return store, {name: result for name, result in found.items() if result is not None}


def explain_stages(lake: Lake, record: RunRecord) -> tuple[StageCounts, ...]:
    """All stages of a run in short: rows in and out, and why the others left."""
    store, results = stage_results(lake, record)
    return count_stages(store, record, results)


def explain_stage(lake: Lake, record: RunRecord, *, stage: str) -> StageSummary:
    """One stage of a run in full: with histograms and samples.

    Raises:
        NotFound: The run has no such stage, or what it gave is not kept any more.
    """
    names = [known.name for known in record.stages]
    if stage not in names:
        raise NotFound(f"run {record.run_id} has no stage {stage!r}.{near_miss_or_known(stage, names)}")
    store, results = stage_results(lake, record)
    if stage not in results:
        raise NotFound(f"run {record.run_id}: the rows of stage {stage!r} are not kept any more; run the recipe again")
    inputs = {name: result.rows for name, result in results.items()}
    for known in record.stages:  # a check hands on what it reads
        origin = next(iter(known.inputs.values()), None)
        if known.kind == "check" and origin in inputs:
            inputs[known.name] = inputs[origin]
    return summarise_stage(
        store, record.stages[names.index(stage)], results[stage], inputs=inputs, run_id=record.run_id
    )


def explain(lake: Lake, record: RunRecord, *, sample: str) -> Explanation:
    """Follow a sample, named by its `_id` in a source or an output, or by its key where only one row has it.

    Raises:
        NotFound: No source and no output of the run has such a row, or the results are not kept any more.
    """
    store, results = stage_results(lake, record)
    found = _find(store, record, results, sample)
    if found is None:
        made_from = _source_sample(lake, record, sample)
        found = None if made_from is None else _find(store, record, results, made_from[1], source=made_from[0])
    if found is None:
        raise NotFound(
            f"no source and no output of run {record.run_id} has a sample {sample!r}; for ids: headrace sample "
            f"{next(iter(record.sources.values()))['reference']}"
        )
    name, row = found
    sample_id = str(row["_id"])
    at: dict[str, dict[str, Any]] = {name: row}
    verdicts: list[StageVerdict] = []
    for stage in record.stages:
        before = next((at[origin] for origin in stage.inputs.values() if origin in at), None)
        result = results.get(stage.name)
        if before is None or result is None:
            continue
        verdict, after = _verdict(store, stage, result, before, sample_id)
        verdicts.append(verdict)
        if after is not None:
            at[stage.name] = after
    outputs = tuple(output for output in record.outputs if _holds(store, record, results, output, sample_id, name))
    place = record.sources[name]
    origin = _original(place, sample_id)
    return Explanation(
        record.run_id,
        sample_id,
        name,
        tuple(verdicts),
        outputs,
        source_reference=f"{place['lake']}::{place['reference']}",
        file=None if origin is None else origin.source,
        member=None if origin is None else origin.member,
        line=None if origin is None else origin.line,
    )


def _find(
    store: StageStore,
    record: RunRecord,
    results: Mapping[str, StageResult],
    sample: str,
    *,
    source: str | None = None,
) -> tuple[str, dict[str, Any]] | None:
    """The first source that has the sample, or the one that is named, and its row there."""
    for name in record.sources if source is None else (source,):
        if name in results:
            row = _row(store, results[name].rows, sample, takes_key=source is None)
            if row is not None:
                return name, row
    return None


def _source_sample(lake: Lake, record: RunRecord, sample: str) -> tuple[str, str] | None:
    """The source, and the sample of it, that a sample of an output was made from."""
    for output in record.outputs.values():
        try:
            snapshot = lake.snapshot(f"{output['dataset']}@id:{output['snapshot']}")
        except NotFound:  # the output was deleted, or its snapshot forgotten, since the run
            continue
        commits = {commit.id for commit in snapshot.commits}
        for found in find_samples(snapshot.dataset, sample, commits=commits):
            if found.recipe is not None and found.recipe.source is not None and found.member is not None:
                return found.recipe.source, found.member
    return None


def _original(place: Mapping[str, Any], sample_id: str) -> SampleLineage | None:
    """Where the source's dataset has the sample from, if it is still there."""
    try:
        snapshot = connect(str(place["lake"])).snapshot(str(place["reference"]))
    except HeadraceError:  # the way through the run is known without it
        return None
    commits = {commit.id for commit in snapshot.commits}
    found = find_samples(snapshot.dataset, sample_id, commits=commits)
    return found[0] if found else None


def _verdict(
    store: StageStore, stage: StageRecord, result: StageResult, before: Mapping[str, Any], sample_id: str
) -> tuple[StageVerdict, dict[str, Any] | None]:
    source = None if before.get("_source") is None else str(before["_source"])
    after = None if stage.kind == "check" else _row(store, result.rows, sample_id, source=source)
    lost = _row(store, result.dropped, sample_id) if after is None else None
    if lost is not None:
        return (
            StageVerdict(
                stage.name,
                stage.kind,
                "dropped",
                {},
                lost["operator"],
                lost["reason"],
                lost["value"],
                lost["threshold"],
            ),
            None,
        )
    lost = _row(store, result.failed, sample_id) if after is None else None
    if lost is not None:
        reason = f"{lost['class']}: {lost['message']} (attempt {lost['attempt']})"
        return StageVerdict(stage.name, stage.kind, "quarantined", {}, lost["operator"], reason), None
    if stage.kind == "check":
        return StageVerdict(stage.name, stage.kind, "kept", {}), dict(before)
    if after is None:
        reason = "no row with its id came out"
        return StageVerdict(stage.name, stage.kind, "dropped", {}, None, reason), None
    changed = {
        column: (before.get(column), value)
        for column, value in after.items()
        if column not in before or before[column] != value
    }
    return StageVerdict(stage.name, stage.kind, "kept", changed), after


def _row(
    store: StageStore, rows: StageRows, sample: str, *, source: str | None = None, takes_key: bool = False
) -> dict[str, Any] | None:
    """The row of this id; of this source where rows name theirs.

    Args:
        takes_key: Also the only row whose id ends with it as its key.
    """
    columns = [name for name in ("_id", "_source") if name in rows.schema.names]
    if "_id" not in columns:
        return None
    by_key: list[tuple[int, int]] = []
    for part, table in enumerate(store.tables(rows, columns=columns)):
        ids = table.column("_id")
        is_exact = pc.equal(ids, sample)
        if source is not None and "_source" in columns:
            is_exact = pc.and_(is_exact, pc.equal(table.column("_source"), source))
        exact = pc.indices_nonzero(is_exact).to_pylist()
        if exact:
            return _plain(store.take(rows, [(part, exact[0])]))
        if takes_key:
            by_key += [(part, row) for row in pc.indices_nonzero(pc.ends_with(ids, f":{sample}")).to_pylist()]
    return _plain(store.take(rows, by_key)) if len(by_key) == 1 else None


def _plain(table: pa.Table) -> dict[str, Any]:
    row: dict[str, Any] = table.slice(0, 1).to_pylist()[0]
    return {name: value for name, value in row.items() if name != "_digest"}


def _holds(
    store: StageStore, record: RunRecord, results: Mapping[str, StageResult], output: str, sample_id: str, source: str
) -> bool:
    stage = str(record.outputs[output]["stage"])
    return stage in results and _row(store, results[stage].rows, sample_id, source=source) is not None
