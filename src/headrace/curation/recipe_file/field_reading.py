"""From nodes to validated fields, each problem at its place and in the words of recipes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from headrace.curation.recipe_file.nodes import ListNode, MapNode, Node
from headrace.curation.recipe_file.placeholders import COMMA_HINT
from headrace.curation.recipe_file.problems import Problems
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["describe_value", "read_fields", "refuse_unknown_keys"]

Fields = TypeVar("Fields", bound=BaseModel)

_WISHES = {
    "bool_type": "true or false",
    "dict_type": "a mapping, key: value",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a mapping, key: value",
    "string_type": "text",
}
_MAX_SHOWN = 60
_KEY = re.compile(r"[\w.-]+")


def read_fields(node: Node, fields: type[Fields], *, subject: str, problems: Problems) -> Fields | None:
    """The validated fields, or None after noting what is wrong with them.

    Args:
        subject: Starts messages, such as "stage 'sharp'".
    """
    if not isinstance(node, MapNode):
        problems.add(f"{subject}: expected a mapping, key: value, not {describe_value(node)}", node.place)
        return None
    try:
        return fields.model_validate(node.plain)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _note(detail, node, fields, subject=subject, problems=problems)
        return None


def refuse_unknown_keys(node: MapNode, known: Sequence[str], *, subject: str, problems: Problems) -> None:
    """Note each key that is not among the known ones."""
    for entry in node:
        if entry.key not in known:
            hint = near_miss_or_known(entry.key, known)
            problems.add(f"{subject} has no key {entry.key!r}.{hint}", entry.key_place)


def describe_value(node: Node) -> str:
    """The value as it is shown in messages."""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    if node.value is None:
        return "nothing"
    text = node.value if isinstance(node.value, str) else str(node.plain).lower()
    return repr(text[:_MAX_SHOWN]) if isinstance(node.value, str) else text


def _note(detail: ErrorDetails, node: MapNode, fields: type[BaseModel], *, subject: str, problems: Problems) -> None:
    path = _path_in(node, detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        parent = _part(node, path[:-1])
        known = _known_keys(fields, path[:-1])
        hint = near_miss_or_known(str(path[-1]), known) if _KEY.fullmatch(str(path[-1])) else f" {COMMA_HINT}"
        place = parent.key_place(str(path[-1])) if isinstance(parent, MapNode) else node.place
        problems.add(f"{_named(subject, path[:-1])} has no key {path[-1]!r}.{hint}", place)
        return
    if kind == "missing":
        name = str(path[-1])
        problems.add(f"{_named(subject, path[:-1])} needs the key {name!r}", node.at(path[:-1]), missing=name)
        return
    wish = _WISHES.get(kind)
    if wish is None:
        wish = re.sub(r"^(Input|Value|Dictionary|List|String) should ", "", detail["msg"])
        wish = re.sub(r"^be ", "", wish)
    found = describe_value(_part(node, path))
    problems.add(f"{_named(subject, path)}: expected {wish}, not {found}", node.at(path))


def _path_in(node: Node, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Without the names of alternatives ("str", "list[str]") that pydantic puts into the path."""
    path: list[int | str] = []
    for idx, part in enumerate(location):
        inner = _part(node, path)
        is_last = idx == len(location) - 1
        is_key = isinstance(inner, MapNode) and (inner.entry(str(part)) is not None or (is_last and part != "str"))
        if is_key or (isinstance(inner, ListNode) and isinstance(part, int)):
            path.append(part)
    return tuple(path)


def _part(node: Node, path: Sequence[int | str]) -> Node:
    for part in path:
        if isinstance(node, MapNode):
            inner = node.get(str(part))
            if inner is None:
                return node
            node = inner
        elif isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
    return node


def _named(subject: str, path: Sequence[int | str]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return f"{subject}, {text}" if text else subject


def _known_keys(fields: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Keys of the mapping that the path leads to."""
    names = {name for name in path if isinstance(name, str)}
    if not names:
        return list(fields.model_fields)
    from headrace.curation.recipe_file.fields import EnvironmentFields, SampleFields, UseFields

    inner: dict[str, type[BaseModel]] = {
        "environment": EnvironmentFields,
        "operators": UseFields,
        "sample": SampleFields,
    }
    return [key for name, model in inner.items() if name in names for key in model.model_fields]
