"""Parameters of a recipe: their defaults from the recipe or a file beside it, then what `--set` says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from headrace.curation.recipe_file.field_reading import describe_value
from headrace.curation.recipe_file.nodes import ListNode, MapNode, Node, ScalarNode, node_of
from headrace.curation.recipe_file.problems import InvalidRecipe, Problems
from headrace.curation.recipe_file.yaml_reading import read_yaml_file, read_yaml_value
from headrace.errors import HeadraceError, InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["overrides_from_text", "read_parameters"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def read_parameters(
    node: Node | None, *, folder: Path, overrides: Mapping[str, object], problems: Problems
) -> dict[str, Node]:
    """The value of each parameter.

    Args:
        folder: Where a file of parameters is looked for.
        overrides: Values that replace the defaults; each must be of its default's type.
    """
    values = _defaults(node, folder=folder, problems=problems)
    for name, value in overrides.items():
        if name not in values:
            hint = near_miss_or_known(name, values) or " It has none."
            problems.add(f"the recipe has no parameter {name!r} to set.{hint}", None)
            continue
        default = values[name]
        try:
            given = node_of(value)
        except TypeError:
            problems.add(f"parameter {name!r} cannot be {value!r}: expected a value that YAML has", None)
            continue
        if not _fits(default, given):
            problems.add(
                f"parameter {name!r} cannot be {describe_value(given)}: the recipe has {describe_value(default)} there",
                None,
            )
            continue
        values[name] = given
    return values


def overrides_from_text(texts: tuple[str, ...]) -> dict[str, object]:
    """The values of `--set name=value`, read as YAML would read them.

    Raises:
        InvalidInput: Not of the form name=value, a name comes twice, or the value cannot be read.
    """
    values: dict[str, object] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not _NAME.fullmatch(name):
            raise InvalidInput(f"{text!r} is no parameter: expected NAME=VALUE, for example min_side=128")
        if name in values:
            raise InvalidInput(f"parameter {name!r} is set twice")
        try:
            values[name] = read_yaml_value(value).plain
        except InvalidRecipe as error:
            raise InvalidInput(f"the value of {name!r} cannot be read: {error.problems[0].message}") from error
    return values


def _defaults(node: Node | None, *, folder: Path, problems: Problems) -> dict[str, Node]:
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        path = folder / node.value
        try:
            node = read_yaml_file(path)
        except InvalidRecipe as error:
            for problem in error.problems:
                problems.add(problem.message, problem.place)
            return {}
        except (HeadraceError, OSError) as error:
            problems.add(f"the parameters cannot be read: {error}", node.place)
            return {}
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        return {}
    if not isinstance(node, MapNode):
        problems.add(f"parameters: expected a mapping, name: value, not {describe_value(node)}", node.place)
        return {}
    values: dict[str, Node] = {}
    for entry in node:
        if not _NAME.fullmatch(entry.key):
            problems.add(
                f"a parameter cannot be called {entry.key!r}: expected letters, digits and '_', no digit first",
                entry.key_place,
            )
        elif not _is_value(entry.value):
            problems.add(
                f"parameter {entry.key!r}: expected a value or a list of values, without placeholders",
                entry.value.place,
            )
        values[entry.key] = entry.value
    return values


def _is_value(node: Node) -> bool:
    if isinstance(node, ListNode):
        return all(isinstance(item, ScalarNode) and _is_value(item) for item in node.items)
    return isinstance(node, ScalarNode) and not (isinstance(node.value, str) and "${" in node.value)


def _fits(default: Node, given: Node) -> bool:
    if isinstance(default, ScalarNode) and default.value is None:
        return _is_value(given)
    if isinstance(default, ListNode):
        return isinstance(given, ListNode) and _is_value(given)
    if not isinstance(default, ScalarNode) or not isinstance(given, ScalarNode) or not _is_value(given):
        return False
    if isinstance(default.value, bool) or isinstance(given.value, bool):
        return isinstance(default.value, bool) and isinstance(given.value, bool)
    if isinstance(default.value, int | float):
        # 30 may become 25.5: whether the setting takes it is the setting's matter.
        return isinstance(given.value, int | float)
    return isinstance(given.value, str)
