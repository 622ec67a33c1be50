"""`${name}`: a value where it stands alone, text inside of a longer text; `$${` is a plain `${`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from headrace.curation.recipe_file.nodes import ListNode, MapEntry, MapNode, Node, ScalarNode
from headrace.curation.recipe_file.problems import Place, Problems
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["COMMA_HINT", "fill_placeholders"]

COMMA_HINT = "(A comma ends a text inside of {...}; quotes keep it whole.)"

_PART = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def fill_placeholders(node: Node, values: Mapping[str, Node], *, problems: Problems) -> Node:
    """The tree with each placeholder replaced. Keys hold none.

    Args:
        values: Parameters and the variables of `foreach`.
        problems: Takes unknown names and lists inside of texts.
    """
    if isinstance(node, ListNode):
        return ListNode(tuple(fill_placeholders(item, values, problems=problems) for item in node.items), node.place)
    if isinstance(node, MapNode):
        entries = []
        for entry in node:
            if "${" in entry.key:
                problems.add(
                    f"the key {entry.key!r} holds a placeholder; only values may. {COMMA_HINT}", entry.key_place
                )
            entries.append(
                MapEntry(entry.key, entry.key_place, fill_placeholders(entry.value, values, problems=problems))
            )
        return MapNode(tuple(entries), node.place)
    if not isinstance(node.value, str) or "${" not in node.value:
        return node
    return _fill_text(node.value, node.place, values, problems)


def _fill_text(text: str, place: Place | None, values: Mapping[str, Node], problems: Problems) -> Node:
    whole = _PART.fullmatch(text)
    if whole is not None and whole[0] != "$${":
        value = _value(whole, place, values, problems)
        # The value is the parameter's, the place is where it is used: that is what has to be changed.
        return ScalarNode(text, place) if value is None else _placed(value, place)

    def text_of(found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        value = _value(found, place, values, problems)
        if isinstance(value, ListNode | MapNode):
            problems.add(f"{found[0]} is a list and cannot stand inside of a text", place)
        return _as_text(value.value) if isinstance(value, ScalarNode) else found[0]

    return ScalarNode(_PART.sub(text_of, text), place)


def _value(found: re.Match[str], place: Place | None, values: Mapping[str, Node], problems: Problems) -> Node | None:
    name = found[1].strip()
    if not found[2]:
        problems.add(f"{found[0][:40]!r} is not closed; write ${{name}}, or $${{ for the characters themselves", place)
    elif name in values:
        return values[name]
    elif not _NAME.fullmatch(name):
        problems.add(
            f"{found[0]!r} is no placeholder: expected the name of a parameter, as in ${{min_side}}; "
            "nothing is computed in recipes",
            place,
        )
    else:
        known = near_miss_or_known(name, values) or " The recipe has no parameters."
        problems.add(f"there is no parameter {name!r} (environment variables are not read).{known}", place)
    return None


def _placed(node: Node, place: Place | None) -> Node:
    if isinstance(node, ScalarNode):
        return ScalarNode(node.value, place)
    if isinstance(node, ListNode):
        return ListNode(tuple(_placed(item, place) for item in node.items), place)
    return MapNode(tuple(MapEntry(entry.key, place, _placed(entry.value, place)) for entry in node), place)


def _as_text(value: object) -> str:
    """As YAML and SQL write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
