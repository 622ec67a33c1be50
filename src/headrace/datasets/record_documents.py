"""Frozen records as JSON documents, a column for each field, by the types that the fields declare.

A column in which values repeat names each of them once. Sets of text in a column are written as what came and went
since the one before.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson
import pyarrow as pa

from headrace.datasets.columns import schema_from_json, schema_to_json, type_from_json, type_to_json
from headrace.storage.canonical import JsonValue

__all__ = ["RecordColumns", "ValueForm", "shape_of", "value_form"]


@dataclass(frozen=True, slots=True)
class ValueForm:
    """How values of one type are written and read; documents with equal text are equal values."""

    encode: Callable[[Any], JsonValue]
    decode: Callable[[JsonValue], Any]


class RecordColumns:
    """Writes and reads sequences of one type of record; None stands for a record that was removed."""

    def __init__(self, record_type: type) -> None:
        self._type = record_type
        hints = get_type_hints(record_type)
        self._forms = [(item.name, hints[item.name], value_form(hints[item.name])) for item in fields(record_type)]

    def encode(self, records: Sequence[Any]) -> JsonValue:
        """The records as a document."""
        there = [record for record in records if record is not None]
        document: dict[str, JsonValue] = {
            "columns": {
                name: _encode_column([getattr(record, name) for record in there], hint, form)
                for name, hint, form in self._forms
            }
        }
        gone = [idx for idx, record in enumerate(records) if record is None]
        return {**document, "gone": gone} if gone else document

    def decode(self, document: JsonValue) -> list[Any]:
        """The records of a document."""
        stored = document["columns"]
        columns = [_decode_column(stored[name], hint, form) for name, hint, form in self._forms]
        records: list[Any] = [self._type(*values) for values in zip(*columns, strict=True)]
        for idx in document.get("gone", ()):
            records.insert(idx, None)
        return records


def value_form(hint: Any) -> ValueForm:
    """How values of a declared type are written.

    Raises:
        TypeError: A type that has no form yet.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in (str, int, bool):
        return ValueForm(lambda value: value, lambda value: value)
    if hint is pa.Schema:
        return ValueForm(schema_to_json, schema_from_json)
    if hint is pa.DataType:
        return ValueForm(lambda value: type_to_json(value, column=""), type_from_json)
    if origin in (Union, types.UnionType) and len(arguments) == 2 and arguments[1] is type(None):
        form = value_form(arguments[0])
        return ValueForm(
            lambda value: None if value is None else form.encode(value),
            lambda value: None if value is None else form.decode(value),
        )
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _collection_form(tuple, arguments[0])
    if origin is tuple:
        forms = [value_form(argument) for argument in arguments]
        return ValueForm(
            lambda value: [form.encode(item) for form, item in zip(forms, value, strict=True)],
            lambda value: tuple(form.decode(item) for form, item in zip(forms, value, strict=True)),
        )
    if origin is list:
        return _collection_form(list, arguments[0])
    if origin in (set, frozenset) and arguments == (str,):
        return ValueForm(sorted, origin)
    if origin is dict and arguments[0] is str:
        return _dict_form(arguments[1])
    if isinstance(hint, type) and is_dataclass(hint):
        columns = RecordColumns(hint)
        return ValueForm(lambda value: columns.encode([value]), lambda value: columns.decode(value)[0])
    raise TypeError(f"values of type {hint} have no form in a checkpoint yet; add one to {__name__}")


def shape_of(hint: Any) -> JsonValue:
    """The declared type as a document that changes with every field of every record in it."""
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint)
        return [hint.__name__, [[item.name, shape_of(hints[item.name])] for item in fields(hint)]]
    arguments = get_args(hint)
    return [str(get_origin(hint)), [shape_of(item) for item in arguments]] if arguments else str(hint)


def _collection_form(kind: Callable[[Any], Any], item: Any) -> ValueForm:
    form = value_form(item)
    return ValueForm(
        lambda value: [form.encode(entry) for entry in value],
        lambda value: kind([form.decode(entry) for entry in value]),
    )


def _dict_form(item: Any) -> ValueForm:
    form = value_form(item)
    # Pairs, because objects are written with their keys sorted.
    return ValueForm(
        lambda value: [[key, form.encode(entry)] for key, entry in value.items()],
        lambda value: {key: form.decode(entry) for key, entry in value},
    )


def _encode_column(values: Sequence[Any], hint: Any, form: ValueForm) -> JsonValue:
    if hint == frozenset[str]:
        return _encode_sets(values)
    known: dict[int, int] = {}  # by identity, so that a schema that all records share is written once
    places: dict[bytes, int] = {}
    distinct: list[JsonValue] = []
    at: list[int] = []
    for value in values:
        place = known.get(id(value))
        if place is None:
            document = form.encode(value)
            place = places.setdefault(orjson.dumps(document), len(distinct))
            if place == len(distinct):
                distinct.append(document)
            known[id(value)] = place
        at.append(place)
    if 2 * len(distinct) <= len(values):
        return {"of": distinct, "at": at}
    return [distinct[place] for place in at]


def _decode_column(document: JsonValue, hint: Any, form: ValueForm) -> list[Any]:
    if hint == frozenset[str]:
        return _decode_sets(document)
    if isinstance(document, dict):
        distinct = [form.decode(item) for item in document["of"]]
        return [distinct[place] for place in document["at"]]
    return [form.decode(item) for item in document]


def _encode_sets(values: Sequence[frozenset[str]]) -> JsonValue:
    before: frozenset[str] = frozenset()
    steps: list[JsonValue] = []
    for value in values:
        steps.append([] if value == before else [sorted(value - before), sorted(before - value)])
        before = value
    return steps


def _decode_sets(document: JsonValue) -> list[frozenset[str]]:
    before: frozenset[str] = frozenset()
    values: list[frozenset[str]] = []
    for step in document:
        if step:
            before = before.difference(step[1]).union(step[0])
        values.append(before)
    return values
