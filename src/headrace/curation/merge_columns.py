"""The columns that a merge reads and gives, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa

from headrace.curation.merge_rules import (
    SOURCES,
    VOTES,
    MergeFunction,
    MergeRules,
    confidence_column,
    source_column,
    sources_column,
)
from headrace.curation.replaced_media import AT
from headrace.curation.stage_rows import ROW_COLUMNS
from headrace.datasets.columns import media_kind, normal_type
from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["SOURCE_NAME", "merge_problems", "merged_schema", "read_schema", "value_type"]

SOURCE_NAME: Final = "_headrace_source"
"""Column of the rows on their way: the name of their source."""

Problem = tuple[tuple[str | int, ...], str]
"""Part of the stage, what is wrong"""


def read_schema(rules: MergeRules, schemas: Mapping[str, pa.Schema]) -> pa.Schema:
    """The columns that are read, as all inputs together have them; `SOURCE_NAME` first.

    Raises:
        InvalidInput: See `merge_problems`.
    """
    problems = _input_problems(rules, schemas)
    if problems:
        raise InvalidInput(problems[0][1])
    fields = [pa.field(SOURCE_NAME, pa.string())]
    rows = [name for name in ROW_COLUMNS.names if all(name in schema.names for schema in schemas.values())]
    for name in dict.fromkeys([*rows, rules.identity, *_in_order(rules, schemas), *_carried(rules, schemas)]):
        field = next(schema.field(name) for schema in schemas.values() if name in schema.names)
        fields.append(field.with_type(_decoded(field.type)).with_nullable(True))
    return pa.schema(fields)


def merged_schema(rules: MergeRules, schemas: Mapping[str, pa.Schema]) -> pa.Schema:
    """The columns of the result.

    Raises:
        InvalidInput: See `merge_problems`.
    """
    problems = merge_problems(rules, schemas)
    if problems:
        raise InvalidInput(problems[0][1])
    read = read_schema(rules, schemas)
    names = pa.list_(pa.string())
    fields = [read.field(name) for name in read.names if name in ROW_COLUMNS.names]
    fields += [
        read.field(rules.identity),
        pa.field(SOURCES, names),
        *(read.field(name) for name in _carried(rules, schemas)),
    ]
    functions = dict(rules.functions)
    for name in _in_order(rules, schemas):
        if name in functions:
            fields += _merged_fields(name, read.field(name).type, functions[name])
    for source in rules.sources:
        fields += [
            pa.field(source_column(source, name), _stored(read.field(name).type, name))
            for name in _in_order(rules, schemas)
        ]
    return pa.schema(fields)


def merge_problems(rules: MergeRules, schemas: Mapping[str, pa.Schema]) -> list[Problem]:
    """Columns that are not there, that differ between inputs, or that a function has no use for."""
    problems = _input_problems(rules, schemas)
    if problems:
        return problems
    read = read_schema(rules, schemas)
    kind = read.field(rules.identity).type
    if not (pa.types.is_integer(kind) or _is_text(kind)):
        problems.append((("identity",), f"identity: {rules.identity!r} is {kind}; expected text or whole numbers"))
    for name, function in rules.functions:
        field = read.field(name)
        if media_kind(field) is not None:
            problems.append((("merge", name), f"merge: {name!r} is media, which is not merged; list it under 'carry'"))
            continue
        wish = _wish(field.type, function)
        if wish:
            problems.append((("merge", name), f"merge: {function} of {name!r}: expected {wish}, not {field.type}"))
        if function == "first" and "_id" not in read.names:
            problems.append((("merge", name), "merge: first goes by '_id', which the rows do not have; select it too"))
    problems += [
        (("keep", idx), f"keep: {name!r} is media, which is found for one row only; list it under 'carry'")
        for idx, name in enumerate(rules.keep)
        if media_kind(read.field(name)) is not None
    ]
    return problems


def value_type(kind: pa.DataType) -> pa.DataType:
    """The type of what is voted on: the items of a list, the names of structs with a score."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
        if pa.types.is_struct(kind):
            return next(field.type for field in kind if _is_text(field.type))
    return kind


def _input_problems(rules: MergeRules, schemas: Mapping[str, pa.Schema]) -> list[Problem]:
    problems: list[Problem] = []
    known = sorted({name for schema in schemas.values() for name in schema.names})
    for name, path in _wanted(rules):
        types = {key: _decoded(schema.field(name).type) for key, schema in schemas.items() if name in schema.names}
        if not types or (path in (("identity",), ("source",)) and len(types) < len(schemas)):
            where = "" if not types else f" in {next(key for key in schemas if key not in types)!r}"
            hint = near_miss_or_known(name, known)
            problems.append((path, f"{path[0]}: there is no column {name!r}{where}.{hint}"))
        elif len(set(types.values())) > 1:
            first, other = next((a, b) for a in types for b in types if types[a] != types[b])
            problems.append(
                (path, f"{path[0]}: {name!r} is {types[first]} in {first!r} and {types[other]} in {other!r}; cast one")
            )
    return problems


def _wanted(rules: MergeRules) -> list[tuple[str, tuple[str | int, ...]]]:
    """Columns that are read, and which part of the stage names them."""
    return [
        (rules.identity, ("identity",)),
        *([] if rules.source is None else [(rules.source, ("source",))]),
        *((name, ("merge", name)) for name, _ in rules.functions),
        *((name, ("keep", idx)) for idx, name in enumerate(rules.keep)),
        *((name, ("carry", idx)) for idx, name in enumerate(rules.carry)),
    ]


def _carried(rules: MergeRules, schemas: Mapping[str, pa.Schema]) -> list[str]:
    """With the places of media that operators wrote anew."""
    known = {name for schema in schemas.values() for name in schema.names}
    return [each for name in rules.carry for each in (name, AT + name) if each in known]


def _in_order(rules: MergeRules, schemas: Mapping[str, pa.Schema]) -> list[str]:
    """Fields of the sources, in the order of the inputs' columns."""
    wanted = set(rules.fields)
    return list(dict.fromkeys(name for schema in schemas.values() for name in schema.names if name in wanted))


def _merged_fields(name: str, kind: pa.DataType, function: MergeFunction) -> Sequence[pa.Field]:
    names = pa.list_(pa.string())
    if function not in VOTES:
        merged = pa.float64() if function == "mean" else _stored(kind, name)
        return [pa.field(name, merged), pa.field(sources_column(name), names)]
    value = _stored(value_type(kind), name)
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return [
        pa.field(name, pa.list_(value) if is_list else value),
        pa.field(confidence_column(name), pa.list_(pa.float64()) if is_list else pa.float64()),
        pa.field(sources_column(name), pa.list_(names) if is_list else names),
    ]


def _wish(kind: pa.DataType, function: MergeFunction) -> str:
    """What the function works on, where this is something else."""
    if function in VOTES:
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        item = kind.value_type if is_list else kind
        if _is_text(item) or (is_list and _is_scored(item)):
            return ""
        if not is_list and (pa.types.is_integer(item) or pa.types.is_boolean(item)):
            return ""
        return "lists of text, lists of structs with one text and one number, text, whole numbers or true and false"
    if function == "mean":
        return "" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else "numbers"
    if function in ("max", "min"):
        is_ordered = _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
        is_time = pa.types.is_date(kind) or pa.types.is_timestamp(kind)
        return "" if is_ordered or is_time else "numbers, text or times"
    return ""


def _is_scored(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind) or kind.num_fields != 2:
        return False
    return any(_is_text(field.type) for field in kind) and any(pa.types.is_floating(field.type) for field in kind)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _decoded(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _stored(kind: pa.DataType, name: str) -> pa.DataType:
    return normal_type(kind, column=name)
