"""Runs that used a snapshot, written into the log of its dataset."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING

from headrace.datasets.manifests import document_key, write_document
from headrace.datasets.records import RunRecord
from headrace.errors import InvalidInput
from headrace.schema.free_text import check_text
from headrace.storage.canonical import JsonValue, canonical_json

if TYPE_CHECKING:
    from headrace.datasets.dataset_state import DatasetState
    from headrace.datasets.snapshot import Snapshot

__all__ = ["record_run"]


def record_run(
    snapshot: Snapshot, *, name: str, artefacts: Sequence[str], metrics: Mapping[str, float] | None
) -> RunRecord:
    """As `Lake.record_run` says.

    Raises:
        InvalidInput: A text that is none, or a metric that is no finite number.
    """
    check_text(name, "name of the run")
    if isinstance(artefacts, str):
        raise InvalidInput(f"artefacts is {artefacts!r}; expected a list of paths or URIs")
    for metric, value in (metrics or {}).items():
        if not isinstance(value, Real) or not math.isfinite(value):
            raise InvalidInput(f"the metric {metric!r} is {value!r}; expected a finite number")
    for item in artefacts:
        check_text(str(item), "artefact")
    dataset = snapshot.dataset
    dataset.log_snapshot(snapshot)
    since = dataset.log_of_entries.number
    document = {
        "format": 1,
        "name": name,
        "snapshot": snapshot.id,
        "artefacts": [str(item) for item in artefacts],
        "metrics": {key: repr(float(value)) for key, value in (metrics or {}).items()},
    }
    digest = write_document(dataset.lake.store, dataset.base, data=canonical_json(document))
    run_id = secrets.token_hex(8)
    body = {"run": run_id, "name": name, "snapshot": snapshot.id, "document": digest}

    def plan(state: DatasetState) -> Mapping[str, JsonValue]:
        dataset.require_snapshot(state, snapshot.id)
        return body

    dataset.append("run", plan, refers_to=lambda: [document_key(digest)], since=since)
    return next(run for run in reversed(dataset.runs) if run.run_id == run_id)
