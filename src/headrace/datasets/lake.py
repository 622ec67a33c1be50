"""A lake: one root that holds everything, and the register of its datasets."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from headrace.datasets.commit import Commit
from headrace.datasets.commit_options import CommitOptions
from headrace.datasets.creating import DatasetDeclaration, create_dataset
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake_marker import LakeMarker
from headrace.datasets.lake_state import DatasetRecord, LakeState
from headrace.datasets.leases import GRACE_SECONDS
from headrace.datasets.records import RunRecord
from headrace.datasets.removing import delete_dataset, find_deleted, purge_dataset, restore_dataset
from headrace.datasets.run_recording import record_run
from headrace.datasets.snapshot import Snapshot
from headrace.datasets.state_checkpoints import LAKE_FORM
from headrace.errors import DataCorrupted, InvalidInput, NotFound
from headrace.progress import NO_PROGRESS, Progress
from headrace.schema.near_misses import near_miss
from headrace.schema.references import Reference
from headrace.schema.tags import TagsLike
from headrace.storage.canonical import JsonValue
from headrace.storage.locations import Locations
from headrace.storage.log import EntryLog, LogEntry, now_microseconds
from headrace.storage.opening import open_store
from headrace.storage.parts import PartCache
from headrace.storage.store import ObjectStore

if TYPE_CHECKING:
    from headrace.datasets.audit import AuditEntry
    from headrace.datasets.collecting import CollectionReport
    from headrace.datasets.lineage import SampleLineage
    from headrace.datasets.rebuilding import RebuildReport
    from headrace.datasets.verification import VerifyReport

__all__ = ["Lake"]


class Lake:
    """Opens lazily: nothing is read or created before the first call that needs it. Safe to use from several
    threads."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        actor: str | None = None,
        clock: Callable[[], int] = now_microseconds,
        locations: Locations | None = None,
    ) -> None:
        self.store = store
        self.marker = LakeMarker(store)
        self.locations = locations or Locations()
        self.actor = actor or os.environ.get("HEADRACE_ACTOR") or default_actor()
        self.clock = clock
        self.part_cache = PartCache()
        self._log: EntryLog[LakeState] = EntryLog(
            store, "", state=LakeState(), actor=self.actor, clock=clock, form=LAKE_FORM
        )
        self._datasets: dict[str, Dataset] = {}

    # -- what it is ---------------------------------------------------------------------------------------------

    @property
    def uri(self) -> str:
        """The root, as a path or URI."""
        return self.store.uri

    @property
    def log_of_entries(self) -> EntryLog[LakeState]:
        """The lake's own log."""
        return self._log

    @property
    def exists(self) -> bool:
        """Whether a lake is there already; connecting creates nothing.

        Raises:
            Unavailable: It was written by a newer version.
        """
        return self.marker.exists

    # -- datasets -----------------------------------------------------------------------------------------------

    def datasets(self) -> list[Dataset]:
        """All datasets by id; empty when there is no lake yet."""
        if not self.exists:
            return []
        return [self.open_record(record) for record in self._log.refresh().visible]

    def every_dataset(self) -> list[Dataset]:
        """All datasets by id, deleted and purged ones too."""
        return [self.open_record(record) for record in self.state().by_id.values()]

    def require_not_deleted(self, dataset: Dataset) -> None:
        """Raise `NotFound` if the dataset was deleted since it was opened; one that is being created passes."""
        if dataset.id in self.state().deleted:
            raise NotFound(
                f"dataset {dataset.name!r} of lake {self.uri} was deleted meanwhile; nothing was changed. To bring it "
                f"back: headrace dataset restore {self.uri}::{dataset.id}"
            )

    def state(self) -> LakeState:
        """The register after the newest entry of the lake's log."""
        return self._log.refresh() if self.exists else LakeState()

    def append(self, operation: str, plan: Callable[[LakeState], Mapping[str, JsonValue] | None]) -> LogEntry | None:
        """Claim an entry of the lake's log; see `EntryLog.append`."""
        self.store.prepare_for_writing()
        return self._log.append(operation, plan)

    def delete_dataset(self, name: str) -> None:
        """Take a dataset off the register; `restore_dataset` brings it back with the same ids, its name is free.

        Raises:
            NotFound: There is none.
        """
        self.require_exists()
        delete_dataset(self, name)

    def restore_dataset(self, name: str, *, rename: str | None = None) -> Dataset:
        """Bring a deleted dataset back, by name or id, under its old name or another.

        Raises:
            NotFound: No such dataset was deleted.
            AlreadyExists: The name is taken since.
        """
        self.require_exists()
        return restore_dataset(self, name, rename=rename)

    def purge_dataset(self, name: str, *, dry_run: bool = False) -> int:
        """Remove all bytes of a dataset for ever, deleted or not, and return how many; the audit trail stays.

        Raises:
            NotFound: There is none.
            PermissionDenied: It is under a hold.
        """
        self.require_exists()
        return purge_dataset(self, name, dry_run=dry_run)

    def dataset(self, name: str) -> Dataset:
        """The dataset with this name or id.

        Raises:
            NotFound: There is none; names the closest, and the command that creates it.
        """
        record = self._find(name)
        if record is None:
            state = self.state()
            known = list(state.by_name)
            if find_deleted(state, name) is not None:
                raise NotFound(
                    f"dataset {name!r} of lake {self.uri} was deleted. To bring it back: headrace dataset restore "
                    f"{self.uri}::{name}"
                )
            hint = near_miss(name, known)
            where = f"lake {self.uri} has no dataset {name!r}.{hint} Datasets: {', '.join(known) or 'none'}."
            if not self.exists:
                where = f"there is no lake at {self.uri} yet."
            raise NotFound(
                f"{where} To create it: headrace dataset create {self.uri}::{name} --type TYPE --source SOURCE"
            )
        return self.open_record(record)

    def create_dataset(
        self,
        name: str,
        type: str | None = None,
        *,
        source: object | None = None,
        tags: TagsLike | None = None,
        description: str = "",
        owner: str | None = None,
        schema: pa.Schema | None = None,
        key: str | None = None,
        on_duplicate_key: str | None = None,
        media: str = "copy",
        on_invalid: str = "raise",
        message: str = "Initial commit",
        **options: Any,
    ) -> Dataset:
        """A new dataset, with a first commit if a source is given. A failed create leaves no trace.

        Args:
            name: Unique in the lake: a letter or '_', then up to 99 letters, digits, '_', '.', '-'.
            type: A dataset type; TABLE when only a schema is given.
            source: Taken in as commit 1, see `Dataset.commit`.
            tags: Of commit 1.
            description: Free text.
            owner: Free text.
            schema: Columns of a TABLE; without it the first source's are taken.
            key: Column of a TABLE whose values tell rows apart; None: rows are a multiset.
            on_duplicate_key: "keep" or "replace": what a key in several commits means.
            media: "copy" or "reference", see `Dataset.commit`.
            on_invalid: "raise" or "skip", see `Dataset.commit`.
            message: Of commit 1.
            options: Further fields of `CommitOptions`.

        Raises:
            AlreadyExists: The name is taken.
            InvalidInput: A bad name, type, schema or source.
        """
        declaration = DatasetDeclaration.of(
            name,
            type=type,
            schema=schema,
            key=key,
            on_duplicate_key=on_duplicate_key,
            description=description,
            owner=owner,
        )
        settings = CommitOptions.of(message=message, tags=tags, media=media, on_invalid=on_invalid, options=options)
        return create_dataset(self, declaration, source=source, options=settings)

    # -- reading across datasets -----------------------------------------------------------------------------------

    def snapshot(self, reference: str) -> Snapshot:
        """The snapshot that a reference without the lake names: "intents", "intents@prod", "intents@id:0123abcd", …

        Reading logs nothing.

        Raises:
            NotFound: No such dataset, alias, id or commit.
        """
        parsed = Reference.parse(reference)
        if parsed.lake is not None and open_store(parsed.lake).uri != self.uri:
            raise InvalidInput(
                f"{reference!r} names the lake {parsed.lake}; this one is {self.uri}. Leave out the part before '::'"
            )
        return self.dataset(parsed.dataset).resolve(parsed.selector)

    def commit(self, name: str, source: object, **options: Any) -> Commit:
        """Shorthand for `lake.dataset(name).commit(source, …)`."""
        return self.dataset(name).commit(source, **options)

    def lineage(self, sample: str) -> list[SampleLineage]:
        """Every sample with this `_id` (or key) in any dataset, with its way back to the source file.

        Raises:
            NotFound: No dataset has it.
        """
        from headrace.datasets.lineage import find_samples

        found: list[SampleLineage] = []
        first_error: DataCorrupted | None = None
        for dataset in self.datasets():
            try:
                found.extend(find_samples(dataset, sample))
            except DataCorrupted as error:  # damage elsewhere does not hide a sample that can be read
                first_error = first_error or error
        if not found and first_error is not None:
            raise first_error
        if not found:
            raise NotFound(
                f"no dataset of lake {self.uri} has a sample {sample!r}; ids come from: headrace sample REF --json"
            )
        return found

    def record_run(
        self,
        snapshot: Snapshot,
        *,
        name: str,
        artefacts: Sequence[str] = (),
        metrics: Mapping[str, float] | None = None,
    ) -> RunRecord:
        """Write down that something was made from a snapshot: a model, a report, another dataset.

        Args:
            snapshot: What was used; it is logged if it is not yet.
            name: Name of the run; runs may share one.
            artefacts: Paths or URIs of what came out.
            metrics: Numbers by name.
        """
        return record_run(snapshot, name=name, artefacts=artefacts, metrics=metrics)

    def verify(self, **options: Any) -> VerifyReport:
        """Replay every log and compare every object and every row with its digest; reads the whole lake."""
        from headrace.datasets.verification import verify_lake

        self.require_exists()
        return verify_lake(self, **options)

    def gc(
        self, *, dry_run: bool = False, grace_seconds: float = GRACE_SECONDS, progress: Progress = NO_PROGRESS
    ) -> CollectionReport:
        """Remove objects that nothing refers to and that are older than the grace period; see `CollectionReport`.

        Concurrent writers lose nothing whatever the grace period is; a short one may refuse a commit that takes longer.
        """
        from headrace.datasets.collecting import collect_garbage

        self.require_exists()
        return collect_garbage(self, dry_run=dry_run, grace_seconds=grace_seconds, progress=progress)

    def rebuild(self, *, progress: Progress = NO_PROGRESS) -> RebuildReport:
        """Make anew from the logs what was derived from them; every id stays what it is."""
        from headrace.datasets.rebuilding import rebuild_lake

        self.require_exists()
        return rebuild_lake(self, progress=progress)

    def audit(self) -> list[AuditEntry]:
        """Every change of the lake, oldest first: time, actor, operation, dataset."""
        from headrace.datasets.audit import audit_entries

        self.require_exists()
        return audit_entries(self)

    def __repr__(self) -> str:
        if not self.exists:
            return f"<Lake {self.uri} (not created yet)>"
        return f"<Lake {self.uri} {len(self.state().visible)} datasets>"

    def _repr_html_(self) -> str:
        from headrace.datasets.html_reprs import html_table

        return html_table(f"Lake {self.uri}", {dataset.name: repr(dataset) for dataset in self.datasets()})

    # -- inside ---------------------------------------------------------------------------------------------------

    def _find(self, name: str) -> DatasetRecord | None:
        if not isinstance(name, str):
            raise TypeError(f"a dataset is named by text, by its id too, such as '1'; got {name!r}")
        if not self.exists:
            return None
        state = self._log.refresh()
        record = state.by_name.get(name) or state.by_id.get(name)
        return record if record in state.visible else None

    def open_record(self, record: DatasetRecord) -> Dataset:
        """The dataset of a line of the register."""
        dataset = self._datasets.get(record.uid)
        if dataset is None or dataset.name != record.name:  # a restore may have renamed it
            dataset = Dataset(
                self, dataset_id=record.dataset_id, name=record.name, uid=record.uid, display_name=record.display_name
            )
            self._datasets[record.uid] = dataset
        return dataset

    def require_exists(self) -> None:
        """Raise `NotFound` with the command that creates a lake, unless there is one."""
        if not self.exists:
            raise NotFound(
                f"there is no lake at {self.uri}; it is created with its first dataset: "
                f"headrace dataset create {self.uri}::NAME --type TYPE --source SOURCE"
            )


def default_actor() -> str:
    """user@host; HEADRACE_ACTOR or `connect(actor=…)` say otherwise."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"
