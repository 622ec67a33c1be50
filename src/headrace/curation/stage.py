"""Stages as they are written in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePath
from typing import Any

from headrace.curation.operator_catalogue import NamedOperator, OperatorEntry
from headrace.curation.recipe_file.nodes import ListNode, MapEntry, MapNode, Node, node_of
from headrace.errors import InvalidInput

__all__ = ["OperatorLike", "Stage", "plain_node", "spec_of", "stage_node"]

OperatorLike = str | Callable[..., Any]
"""The name of an operator, or a function decorated with `@operator`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a `Recipe`: the same keys as in a recipe file, and exactly one of those that say what it does.

    Attributes:
        operator: A name or a decorated function; `operators` for several over one decode.
        filter: Expression that is true for the rows to keep.
        sql: One SELECT over `inputs`, with its `key`.
        merge: Fields and how the values of several sources become one, with `identity` and `source_weight_map`.
        check: One SELECT that gives one true value, or the run stops with `message`.
        command: Program and arguments; "{input}" and "{output}" stand for the folders.
        media: Media columns that the command reads from files and may make anew.
        name: By default the operator's.
    """

    name: str | None = None
    input: str | None = None
    inputs: Mapping[str, str] | None = None
    operator: OperatorLike | None = None
    operators: Sequence[OperatorLike | Mapping[str, Any]] | None = None
    columns: Mapping[str, str] | None = None
    settings: Mapping[str, Any] | None = None
    where: str | None = None
    sample: Mapping[str, Any] | None = None
    filter: str | None = None
    sql: str | None = None
    key: Sequence[str] | None = None
    merge: Mapping[str, str] | None = None
    identity: str | None = None
    source: str | None = None
    source_weight_map: Mapping[str, float] | None = None
    vocabularies: Mapping[str, Mapping[str, Sequence[str] | str | Path]] | None = None
    keep: Sequence[str] | None = None
    carry: Sequence[str] | None = None
    check: str | None = None
    message: str | None = None
    command: Sequence[str] | None = None
    media: Sequence[str] | None = None
    environment: Mapping[str, Any] | None = None


def spec_of(value: object) -> OperatorEntry | None:
    """The definition of a decorated function; None for anything else."""
    spec = getattr(value, "spec", None)
    return spec if callable(getattr(spec, "bind", None)) else None


def stage_node(stage: Stage | OperatorLike, known: dict[str, NamedOperator]) -> Node:
    """The stage as a recipe file would have it.

    Args:
        known: Takes the operators that are handed in as functions, by name.

    Raises:
        InvalidInput: A value that no recipe could hold.
    """
    if not isinstance(stage, Stage):
        stage = Stage(operator=stage)
    entries: list[MapEntry] = []
    for field in fields(stage):
        value = getattr(stage, field.name)
        if value is None:
            continue
        if field.name == "operator":
            value = _operator_name(value, known)
        elif field.name == "operators":
            value = [_use(item, known) for item in value]
        entries.append(MapEntry(field.name, None, plain_node(value, field.name)))
    if stage.name is None and stage.operator is not None:
        entries.insert(0, MapEntry("name", None, plain_node(_operator_name(stage.operator, known), "name")))
    return MapNode(tuple(entries), None)


def _use(item: object, known: dict[str, NamedOperator]) -> object:
    if isinstance(item, Mapping):
        return {key: _operator_name(value, known) if key == "operator" else value for key, value in item.items()}
    return _operator_name(item, known)


def _operator_name(value: object, known: dict[str, NamedOperator]) -> str:
    if isinstance(value, str):
        return value
    spec = spec_of(value)
    if spec is None:
        raise InvalidInput(
            f"{getattr(value, '__name__', value)!r} is no operator: hand in its name, or a function decorated with "
            "@operator"
        )
    first = known.setdefault(spec.name, value)  # type: ignore[arg-type]  # spec_of looked
    if first is not value:
        raise InvalidInput(f"two functions of the recipe are operators with the name {spec.name!r}")
    return spec.name


def plain_node(value: object, key: str) -> Node:
    """A Python value as a recipe file would have it; `key` is where, for messages.

    Raises:
        InvalidInput: No file could hold it.
    """
    if isinstance(value, Mapping):
        return MapNode(tuple(MapEntry(str(name), None, plain_node(item, key)) for name, item in value.items()), None)
    if isinstance(value, list | tuple):
        return ListNode(tuple(plain_node(item, key) for item in value), None)
    if isinstance(value, PurePath):
        value = str(value)
    plain = getattr(value, "item", None)  # numpy's numbers
    try:
        return node_of(plain() if callable(plain) else value)
    except TypeError as error:
        raise InvalidInput(f"{key}: a recipe cannot hold {value!r}; expected a value that YAML has") from error
