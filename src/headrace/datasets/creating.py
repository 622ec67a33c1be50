"""Creates a dataset: what it is from its first entry on, its first commit, and its line in the lake's register.

    declaration ─▶ its own log: "create" ─▶ commit 1, if there is a source ─▶ the lake's log: "create-dataset"

Nobody sees the dataset before the last step, so that a create that fails leaves no trace.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from headrace.datasets.columns import check_columns, check_key_column, schema_to_json
from headrace.datasets.commit_options import CommitOptions
from headrace.datasets.committing import prepare_commit
from headrace.datasets.dataset import Dataset
from headrace.datasets.lake_state import DatasetRecord, LakeState
from headrace.datasets.leases import Lease
from headrace.datasets.records import OnDuplicateKey
from headrace.datasets.types.base import DatasetType
from headrace.datasets.types.registry import dataset_type
from headrace.errors import AlreadyExists, HeadraceError, InvalidInput, Unavailable
from headrace.schema.free_text import check_text
from headrace.schema.names import check_dataset_name, is_dataset_name
from headrace.schema.near_misses import near_miss
from headrace.storage.canonical import JsonValue
from headrace.storage.store import ObjectStore

if TYPE_CHECKING:
    from headrace.datasets.lake import Lake

__all__ = ["DatasetDeclaration", "create_dataset"]


@dataclass(frozen=True, slots=True)
class DatasetDeclaration:
    """What a dataset is from its first entry on."""

    name: str
    kind: DatasetType
    schema: pa.Schema | None  # None for a TABLE that learns its columns from its first source
    key: str | None
    on_duplicate_key: OnDuplicateKey
    description: str
    owner: str | None
    takes_any_name: bool = False  # where no dataset can be called so, or one is: its id, and the text as display name

    @classmethod
    def of(
        cls,
        name: str,
        *,
        type: str | None,
        schema: pa.Schema | None,
        key: str | None,
        on_duplicate_key: str | None,
        description: str,
        owner: str | None,
        takes_any_name: bool = False,
    ) -> DatasetDeclaration:
        """What the arguments of `Lake.create_dataset` say, checked.

        Raises:
            InvalidInput: A bad name, text, type, schema or key.
        """
        if takes_any_name:
            check_text(name, "name")
        else:
            check_dataset_name(name)
        check_text(description, "description")
        for what, text in (("type", type), ("key", key)):
            if text is not None:
                check_text(text, what)
        if owner is not None:
            check_text(owner, "owner")
        kind = dataset_type(type or ("TABLE" if schema is not None else _no_type(name)))
        if schema is not None:
            check_columns(schema)
        declared = None if kind.name == "TABLE" and schema is None else kind.ingest_schema(schema)
        if key is not None and kind.name != "TABLE" and key != kind.key:
            raise InvalidInput(
                f"datasets of type {kind.name} have the key {kind.key!r}; only a TABLE takes key=", column=key
            )
        key = key or kind.key
        if key is not None and declared is not None and key not in declared.names:
            raise InvalidInput(
                f"the key {key!r} is no column of the schema.{near_miss(key, declared.names)} Columns: "
                f"{', '.join(declared.names)}",
                column=key,
            )
        if key is not None and declared is not None:
            check_key_column(declared.field(key))
        rule = _checked_rule(on_duplicate_key, dataset_type_name=kind.name, key=key)
        return cls(name, kind, declared, key, rule, description, owner, takes_any_name)

    def entry_body(self, uid: str) -> Mapping[str, JsonValue]:
        """The body of the first entry of the dataset's log."""
        return {
            "uid": uid,
            "type": self.kind.name,
            "type_version": self.kind.version,
            "schema": None if self.schema is None else schema_to_json(self.schema),
            "key": self.key,
            "on_duplicate_key": self.on_duplicate_key,
            "description": self.description,
            "owner": self.owner,
        }


def create_dataset(
    lake: Lake, declaration: DatasetDeclaration, *, source: object | None, options: CommitOptions
) -> Dataset:
    """The new dataset, with the rows of the source as commit 1 if there is one.

    Raises:
        AlreadyExists: The name is taken.
        InvalidInput: A row breaks a rule of the type.
        Unavailable: Garbage collection gave the unfinished dataset up; trying again is safe.
    """
    name = declaration.name
    if not declaration.takes_any_name and name in lake.state().by_name:
        raise _taken(lake, name)
    lake.store.prepare_for_writing()
    uid = secrets.token_hex(8)
    dataset = Dataset(lake, dataset_id="", name=name, uid=uid)
    try:
        with options.reporting(), Lease(lake.store, dataset.base):
            entry_log = dataset.log_of_entries
            body = declaration.entry_body(uid)
            entry_log.append("create", lambda _: body)
            if source is not None:
                ready = prepare_commit(
                    lake.store,
                    dataset.base,
                    state=entry_log.refresh(),
                    source=source,
                    options=options,
                    locations=lake.locations,
                )
                entry_log.append("commit", lambda _: ready.entry_body(commit_id="1", message=options.message))
                ready.settle()
        lake.marker.write()
    except BaseException:
        _discard(lake.store, dataset.base)
        raise
    try:
        record = _register(lake, declaration, uid)
    except AlreadyExists:
        # After any other error the entry may have been written all the same.
        _discard(lake.store, dataset.base)
        raise
    return lake.open_record(record)


def _register(lake: Lake, declaration: DatasetDeclaration, uid: str) -> DatasetRecord:
    name = declaration.name

    def plan(state: LakeState) -> Mapping[str, JsonValue]:
        is_taken = name in state.by_name
        if is_taken and not declaration.takes_any_name:
            raise _taken(lake, name)
        if uid in state.given_up:
            raise Unavailable(
                f"garbage collection took dataset {name!r} for one whose creation had failed, because for longer "
                "than its grace period nothing of it was written; nothing was changed, try again"
            )
        body = {"dataset": state.next_id, "uid": uid, "name": name}
        if is_taken or not is_dataset_name(name):
            body |= {"name": state.next_id, "display_name": name}
        return body

    entry = lake.log_of_entries.append("create-dataset", plan)
    if entry is None:
        raise RuntimeError("a plan without an entry")
    return lake.log_of_entries.refresh().by_id[str(entry.body["dataset"])]


def _discard(store: ObjectStore, base: str) -> None:
    """Remove what a refused create wrote; its folder has a random name that nobody else knows."""
    with contextlib.suppress(HeadraceError):  # the first error is the one to tell; what stays is unreferenced
        for stat in list(store.list(base)):
            store.delete(stat.key)


def _taken(lake: Lake, name: str) -> AlreadyExists:
    return AlreadyExists(
        f"lake {lake.uri} has a dataset {name!r} already; to add to it: headrace commit {lake.uri}::{name} SOURCE, or "
        "choose another name"
    )


def _no_type(name: str) -> str:
    raise InvalidInput(
        f"dataset {name!r} needs a type, for example type='IMAGE_CLASS', or a schema (type TABLE). Types: "
        "headrace dataset create --help"
    )


def _checked_rule(value: str | None, *, dataset_type_name: str, key: str | None) -> OnDuplicateKey:
    """The rule for duplicate keys: as asked, else "replace" for a TABLE with a key and "keep" otherwise.

    Raises:
        InvalidInput: Another word, or "replace" without a key.
    """
    if value is None:
        return "replace" if dataset_type_name == "TABLE" and key is not None else "keep"
    if value not in ("keep", "replace"):
        raise InvalidInput(f"on_duplicate_key={value!r}: expected 'keep' or 'replace'")
    if value == "replace" and key is None:
        raise InvalidInput("on_duplicate_key='replace' needs a key; declare one with key=COLUMN")
    return "replace" if value == "replace" else "keep"
