"""What the states of the two kinds of logs look like in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from typing import Any, get_args, get_origin, get_type_hints

from headrace.datasets.dataset_state import DatasetState
from headrace.datasets.lake_state import DatasetRecord, LakeState
from headrace.datasets.record_documents import RecordColumns, ValueForm, shape_of, value_form
from headrace.storage.canonical import JsonValue, canonical_json
from headrace.storage.checkpoints import INTERVAL, ListForm
from headrace.storage.digests import digest_hex
from headrace.storage.paged_dict import PagedDict
from headrace.storage.paged_list import PagedList

__all__ = ["DATASET_FORM", "LAKE_FORM", "DatasetForm", "LakeForm"]

_MEANING = 1
"""Raise it when `DatasetState.apply` gives an old field another meaning; new fields count by themselves."""

_LAKE_INTERVAL = 4


class DatasetForm:
    """Every field of a `DatasetState` by its declared type: paged ones as lists, the rest in the head."""

    interval = INTERVAL
    at_once = frozenset({"compact", "compact-columns", "purge"})  # change many records, which opening should not repeat

    @cached_property
    def version(self) -> str:
        """Of the fields and what they mean."""
        return digest_hex(canonical_json([_MEANING, shape_of(DatasetState)]))[:16]

    @cached_property
    def lists(self) -> Mapping[str, ListForm]:
        """Forms of the paged fields."""
        return {name: _list_form(get_args(hint)[0]) for name, hint in self._hints.items() if _is_paged(hint)}

    def head(self, state: DatasetState) -> JsonValue:
        """All other fields."""
        return {name: form.encode(getattr(state, name)) for name, form in self._head_forms.items()}

    def paged_lists(self, state: DatasetState) -> Mapping[str, PagedList[Any]]:
        """The paged fields."""
        return {name: _paged(getattr(state, name)) for name in self.lists}

    def state(self, head: JsonValue, lists: Mapping[str, PagedList[Any]]) -> DatasetState:
        """The state again."""
        state = DatasetState()
        for name, form in self._head_forms.items():
            setattr(state, name, form.decode(head[name]))
        for name, items in lists.items():
            known = getattr(state, name)
            setattr(state, name, known.of_values(items) if isinstance(known, PagedDict) else items)
        return state

    @cached_property
    def _hints(self) -> Mapping[str, Any]:
        hints = get_type_hints(DatasetState)
        return {item.name: hints[item.name] for item in fields(DatasetState)}

    @cached_property
    def _head_forms(self) -> Mapping[str, ValueForm]:
        return {name: value_form(hint) for name, hint in self._hints.items() if not _is_paged(hint)}


class LakeForm:
    """The register; read as a whole, because names are looked up in it."""

    version = "2"
    interval = _LAKE_INTERVAL
    at_once: frozenset[str] = frozenset()

    @cached_property
    def lists(self) -> Mapping[str, ListForm]:
        """The datasets by number."""
        return {"records": _list_form(DatasetRecord)}

    def head(self, state: LakeState) -> JsonValue:
        """Which of them are gone."""
        return {"deleted": list(state.deleted), "purged": sorted(state.purged), "given_up": sorted(state.given_up)}

    def paged_lists(self, state: LakeState) -> Mapping[str, PagedList[Any]]:
        """The datasets by number."""
        return {"records": state.records}

    def state(self, head: JsonValue, lists: Mapping[str, PagedList[Any]]) -> LakeState:
        """The state again."""
        records: PagedList[DatasetRecord] = lists["records"]
        by_id = {record.dataset_id: record for record in records}
        deleted = {dataset_id: by_id[dataset_id] for dataset_id in head["deleted"]}
        purged = set(head["purged"])
        gone = deleted.keys() | purged
        by_name = {record.name: record for record in by_id.values() if record.dataset_id not in gone}
        return LakeState(by_id, by_name, deleted, purged, set(head["given_up"]), records)


def _is_paged(hint: Any) -> bool:
    return get_origin(hint) in (PagedList, PagedDict)


def _paged(value: PagedList[Any] | PagedDict[Any]) -> PagedList[Any]:
    return value.paged_values if isinstance(value, PagedDict) else value


def _list_form(item: Any) -> ListForm:
    if item is str:
        return ListForm(list, list)
    columns = RecordColumns(item)
    return ListForm(columns.encode, columns.decode)


DATASET_FORM = DatasetForm()
LAKE_FORM = LakeForm()
