"""The snapshots that a dataset's log knows: taken, found again by alias, id or version hash, and forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from headrace.datasets.addresses import addresses_key, write_addresses
from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.kept_values import KeptValues
from headrace.datasets.manifests import document_key, read_document, write_document
from headrace.datasets.selecting import places_of
from headrace.datasets.selection import Selection
from headrace.datasets.snapshot import Snapshot
from headrace.errors import Conflict, InvalidInput, NotFound
from headrace.schema.near_misses import near_miss
from headrace.schema.references import Selector
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.units import parse_timestamp

if TYPE_CHECKING:
    from headrace.datasets.dataset import Dataset

__all__ = ["SnapshotRegister"]

_KEPT_SNAPSHOTS = 64


class SnapshotRegister:
    """Of one dataset. Thread-safe."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._snapshots: KeptValues[tuple[str, str | None], Snapshot] = KeptValues(_KEPT_SNAPSHOTS)

    def resolve(self, selector: Selector) -> Snapshot:
        """The snapshot that a reference's selector names; reading it logs nothing.

        Raises:
            NotFound: There is no such alias, id or commit.
        """
        match selector.kind:
            case "all":
                return self._dataset.select()
            case "upto":
                return self._dataset.select(upto=selector.value)
            case "time":
                return self._dataset.select(until=parse_timestamp(selector.value))
            case "alias":
                state = self._dataset.state()
                snapshot_id = state.aliases.get(selector.value)
                if snapshot_id is None:
                    known = ", ".join(sorted(state.aliases)) or "none yet"
                    raise NotFound(
                        f"dataset {self._dataset.name!r} has no alias "
                        f"{selector.value!r}.{near_miss(selector.value, list(state.aliases))} "
                        f"Aliases: {known}. To create it: headrace snapshot {self._dataset.reference} --alias "
                        f"{selector.value}"
                    )
                return self._logged(state, snapshot_id)
            case _:
                state = self._dataset.state()
                matches = [item for item in state.snapshots if item.startswith(selector.value)]
                if len(matches) != 1:
                    raise NotFound(
                        f"dataset {self._dataset.name!r} has {len(matches) or 'no'} "
                        f"{'snapshots' if len(matches) > 1 else 'snapshot'} whose id starts with "
                        f"{selector.value!r}; to see all: headrace dataset show {self._dataset.reference}"
                    )
                return self._logged(state, matches[0])

    def log(self, snapshot: Snapshot) -> Snapshot:
        """Write the snapshot's manifest and its log entry, once for each new id.

        Raises:
            InvalidInput: It is a snapshot of another dataset.
        """
        if (
            snapshot.dataset.base != self._dataset.base
            or snapshot.dataset.lake.store.uri != self._dataset.lake.store.uri
        ):
            raise InvalidInput(
                f"this is a snapshot of dataset {snapshot.dataset.name!r}, not of {self._dataset.name!r}; an alias and "
                "the log of a dataset name its own snapshots"
            )
        if snapshot.id in self._dataset.state().snapshots:
            self._dataset.log_of_entries.settle()
            return snapshot
        since = self._dataset.log_of_entries.number
        self._dataset.lake.store.prepare_for_writing()
        selection = snapshot.selection
        document = {
            "format": 1,
            "selection": selection.to_json(),
            "column_order": selection.schema.names,
            "commit_ids": snapshot.commit_ids,
            "num_rows": snapshot.num_rows,
        }
        if selection.deleted:
            write_addresses(self._dataset.lake.store, self._dataset.base, addresses=selection.deleted)
        manifest = write_document(self._dataset.lake.store, self._dataset.base, data=canonical_json(document))

        def plan(state: DatasetState) -> Mapping[str, JsonValue] | None:
            if snapshot.id in state.snapshots:
                return None
            body: dict[str, JsonValue] = {
                "snapshot": snapshot.id,
                "manifest": manifest,
                "version_hash": snapshot.version_hash,
            }
            if snapshot.added_columns:
                body["columns"] = self._kept_columns(state, snapshot)
            return {**body, "deleted": selection.deleted.digest} if selection.deleted else body

        keys = [document_key(manifest), *([addresses_key(selection.deleted.digest)] if selection.deleted else [])]
        self._dataset.append("snapshot", plan, refers_to=lambda: keys, since=since)
        return snapshot

    def forget(self, snapshot_id: str) -> None:
        """Take a logged snapshot off the books: what only it needed may be collected; its rows stay.

        Raises:
            NotFound: It is not logged.
            Conflict: An alias points to it, or a run was recorded on it.
        """

        def plan(state: DatasetState) -> Mapping[str, JsonValue]:
            self.require_forgettable(state, snapshot_id)
            return {"snapshot": snapshot_id}

        self._dataset.append("forget", plan)

    def by_version_hash(self, name: str) -> Snapshot:
        """The first snapshot that was prepared under the reference service's name.

        Raises:
            NotFound: None was.
        """
        state = self._dataset.state()
        snapshot_id = state.version_hashes.get(name)
        if snapshot_id is None:
            raise NotFound(f"dataset {self._dataset.name!r} has no snapshot with the version hash {name!r}")
        return self._logged(state, snapshot_id)

    def set_alias(self, name: str, snapshot: Snapshot) -> None:
        """Point an alias to a snapshot of this dataset, logging the snapshot if it is not yet."""
        self.log(snapshot)

        def plan(state: DatasetState) -> Mapping[str, JsonValue] | None:
            self.require(state, snapshot.id)
            return None if state.aliases.get(name) == snapshot.id else {"alias": name, "snapshot": snapshot.id}

        self._dataset.append("alias", plan)

    def require(self, state: DatasetState, snapshot_id: str) -> None:
        """Raise `NotFound` unless the snapshot is logged."""
        if snapshot_id not in state.snapshots:
            raise NotFound(f"dataset {self._dataset.name!r} has no logged snapshot {snapshot_id}")

    def require_forgettable(self, state: DatasetState, snapshot_id: str) -> None:
        """Raise what `forget` would raise."""
        self.require(state, snapshot_id)
        names = sorted(name for name, target in state.aliases.items() if target == snapshot_id)
        if names:
            raise Conflict(
                f"the {'alias' if len(names) == 1 else 'aliases'} {', '.join(names)} of dataset {self._dataset.name!r} "
                f"{'points' if len(names) == 1 else 'point'} to this snapshot; point elsewhere first"
            )
        run = next((run for run in state.runs if run.snapshot_id == snapshot_id), None)
        if run is not None:
            raise Conflict(
                f"the run {run.name!r} was recorded on this snapshot of dataset {self._dataset.name!r}; it stays, "
                "so that the run can be traced"
            )

    def _kept_columns(self, state: DatasetState, snapshot: Snapshot) -> dict[str, JsonValue]:
        """Manifests that hold the snapshot's added columns now.

        Raises:
            Conflict: One was replaced since and nothing else keeps it, so that it may be gone.
        """
        kept = state.column_manifests
        found = {name: state.column_manifest(digest) for name, digest in snapshot.added_columns.items()}
        for name, digest in found.items():
            if digest not in kept:
                raise Conflict(
                    f"the added column {name!r} of dataset {self._dataset.name!r} was replaced or dropped since "
                    "this snapshot was chosen; choose it again"
                )
        return dict(found)

    def _logged(self, state: DatasetState, snapshot_id: str) -> Snapshot:
        """A logged snapshot; the latest are kept, because a filter's rows are worth finding only once."""
        return self._snapshots.get(
            (snapshot_id, state.redacted_rows), lambda name: self._read_snapshot(state, snapshot_id)
        )

    def _read_snapshot(self, state: DatasetState, snapshot_id: str) -> Snapshot:
        record = state.snapshots[snapshot_id]
        document = read_document(self._dataset.lake.store, self._dataset.base, digest=record.manifest)
        selection = Selection.from_json(
            document["selection"],
            column_order=document["column_order"],
            deleted=self._dataset.addresses(document["selection"].get("deleted")),
        )
        commits = [state.commits[int(commit_id) - 1] for commit_id in document["commit_ids"]]
        redacted = self._dataset.addresses(state.redacted_rows).renumbered(places_of(commits))
        return Snapshot(
            self._dataset,
            selection,
            commits=commits,
            version_hash=record.version_hash,
            num_rows=None if redacted else document["num_rows"],
            redacted=redacted,
            redacted_rows=state.redacted_rows,
            pack=state.packs.get(snapshot_id),
            fixed=self._dataset.addresses(state.fixed_rows[snapshot_id]).renumbered(places_of(commits))
            if snapshot_id in state.fixed_rows
            else None,
            added=dict(record.columns),
        )
