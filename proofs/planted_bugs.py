"""Plants a bug in the store, the disk or the collector, and expects the other proofs to find it.

A bug that is not found is a violation: the proof that should have found it proves nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from headrace.datasets.dataset import Dataset
from headrace.datasets.lake import Lake
from headrace.errors import Unavailable
from headrace.storage.canonical import read_json
from headrace.storage.sealed import seal
from headrace.storage.store import ObjectStore
from proofs import bit_rot, concurrency, kill_matrix, lost_writes, purge_proof, store_simulation
from proofs.object_kinds import kind_of
from proofs.outcomes import CaseResult
from proofs.stepping import KindInHand, SteppedStore
from proofs.story import OPERATIONS
from proofs.variants import VARIANTS

__all__ = ["cases", "check", "notes", "skip_reason"]

_ATTEMPTS = 6
"""Small forms of a proof, with other seeds, until the bug shows."""


@dataclass(frozen=True, slots=True)
class _Bug:
    """A bug, and the proof that must find it."""

    name: str
    proof: str
    attempt: Callable[[int], CaseResult]
    missing: Callable[[], str | None] = lambda: None  # why it cannot be planted here


class _OverwritingStore(SteppedStore):
    """A bucket that ignores the condition of a conditional put."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store, lambda point: None, kinds=KindInHand())

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        self.put(key, data)
        return True


class _HopefulStore(SteppedStore):
    """Takes no answer for a yes."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store, lambda point: None, kinds=KindInHand())

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        try:
            return super().put_new(key, data)
        except Unavailable:
            return True


class _TidyStore(SteppedStore):
    """Removes what it wrote when no answer came; somebody may have built on it."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store, lambda point: None, kinds=KindInHand())

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        try:
            return super().put_new(key, data)
        except Unavailable:
            self.delete(key)
            raise


class _DeafStore(SteppedStore):
    """Does not delete some objects, and says nothing of it."""

    def __init__(self, store: ObjectStore, is_kept: Callable[[str], bool]) -> None:
        super().__init__(store, lambda point: None, kinds=KindInHand())
        self._is_kept = is_kept

    def delete(self, key: str) -> None:
        if not self._is_kept(key):
            super().delete(key)


def _forgets(is_kept: Callable[[str], bool]) -> purge_proof.Bug:
    return purge_proof.Bug(wrap=lambda store: _DeafStore(store, is_kept))


def _forgets_statistics(store: ObjectStore) -> ObjectStore:
    def is_statistics(key: str) -> bool:
        return kind_of(key) == "document" and b'"num_rejected"' in (data := store.get(key)) and b'"logical"' not in data

    return _DeafStore(store, is_statistics)


def _hide(dataset: Dataset, condition: purge_proof.Condition) -> None:
    """Takes deleting for purging."""
    dataset.delete_rows(**condition)


def _purge_a_neighbour_too(dataset: Dataset, condition: purge_proof.Condition) -> None:
    dataset.purge(**condition)
    rows = dataset.logged_snapshot(dataset.snapshots[-1])
    dataset.purge(keys=rows.take([-1], columns=["_id"]).column(0).to_pylist())


def _collect_at_once(lake: Lake) -> None:
    """Garbage collection without grace and without an entry: removes what nothing refers to at this moment."""
    from headrace.datasets.reachable import reachable_keys

    for dataset in lake.datasets():
        kept = reachable_keys(dataset, dataset.state())
        for stat in lake.store.list(f"{dataset.base}objects/"):
            if stat.key.removeprefix(dataset.base) not in kept:
                lake.store.delete(stat.key)


def _forge(contents: dict[str, bytes], randomness: random.Random) -> tuple[str, bytes]:
    """The last entry with another message and a fitting check: no bit rot, but what silent damage would look like."""
    key = max(key for key in contents if kind_of(key) == "dataset log")
    document = read_json(contents[key], name=key)
    del document["check"]
    return key, seal({**document, "actor": f"somebody else {randomness.random()}"})


_PURGE_BUGS = {
    "purge_forgets_views": _forgets(lambda key: kind_of(key) == "view"),
    "purge_forgets_statistics": purge_proof.Bug(wrap=_forgets_statistics),
    "purge_forgets_old_shards": _forgets(lambda key: kind_of(key) == "shard"),
    "purge_forgets_old_parts": _forgets(lambda key: kind_of(key) == "part"),
    "purge_only_hides": purge_proof.Bug(purge=_hide),
    "purge_takes_a_neighbour": purge_proof.Bug(purge=_purge_a_neighbour_too),
}

_BUGS = {
    bug.name: bug
    for bug in (
        _Bug(
            "no_folder_sync",
            "lost_writes",
            lambda seed: lost_writes.check_variant("story/quick", seed=seed, variant=VARIANTS["no_folder_sync"]),
            lost_writes.skip_reason,
        ),
        _Bug(
            "no_file_sync",
            "lost_writes",
            lambda seed: lost_writes.check_variant("story/quick", seed=seed, variant=VARIANTS["no_file_sync"]),
            lost_writes.skip_reason,
        ),
        _Bug(
            "rename_instead_of_link",
            "concurrency",
            lambda seed: concurrency.check_variant("quick", seed=seed, variant=VARIANTS["rename_instead_of_link"]),
        ),
        _Bug(
            "acknowledge_before_claim",
            "kill_matrix",
            lambda seed: kill_matrix.check_variant(
                "commit/quick", seed=seed, variant=VARIANTS["acknowledge_before_claim"], only="acknowledgement"
            ),
        ),
        _Bug(
            "claim_that_overwrites",
            "store_simulation",
            lambda seed: store_simulation.check_variant("log/0", seed=seed, wrap=_OverwritingStore),
        ),
        _Bug(
            "no_answer_taken_for_yes",
            "store_simulation",
            lambda seed: store_simulation.check_variant("log/0", seed=seed, wrap=_HopefulStore),
        ),
        _Bug(
            "delete_after_no_answer",
            "store_simulation",
            lambda seed: store_simulation.check_variant("log/0", seed=seed, wrap=_TidyStore),
        ),
        _Bug(
            "gc_without_grace",
            "store_simulation",
            lambda seed: store_simulation.check_variant("lake/0", seed=seed, collect=_collect_at_once),
            lambda: None if OPERATIONS["gc"].built() else "there is no garbage collection yet",
        ),
        *(
            _Bug(name, "purge_proof", lambda seed, bug=bug: purge_proof.check_variant("small/0", seed=seed, bug=bug))  # type: ignore[misc]
            for name, bug in _PURGE_BUGS.items()
        ),
        _Bug(
            "silent_change",
            "bit_rot",
            lambda seed: bit_rot.check_variant("forged/quick/0", seed=seed, damage=_forge),
        ),
    )
}


def cases(*, is_full: bool) -> list[str]:
    """One for each bug that can be planted here."""
    return [bug.name for bug in _BUGS.values() if bug.missing() is None]


def skip_reason() -> str | None:
    """None: some can be planted everywhere."""
    return None


def check(case: str, *, seed: int) -> CaseResult:
    """Run the small form of the proof against the bug until it is found."""
    bug = _BUGS[case]
    result = CaseResult(case)
    for attempt in range(_ATTEMPTS):
        found = bug.attempt(seed + attempt)
        result.runs += found.runs
        if found.violations:
            result.count(f"caught {bug.name} by {bug.proof} ({len(found.violations)} violations in {found.runs} runs)")
            return result
    result.violations.append(f"the bug {bug.name} was planted and {bug.proof} did not find it in {result.runs} runs")
    return result


def notes(counts: dict[str, float]) -> list[str]:
    """What was caught."""
    lines = [name for name in sorted(counts) if name.startswith("caught ")]
    return lines + [f"{bug.name} not planted: {bug.missing()}" for bug in _BUGS.values() if bug.missing() is not None]
