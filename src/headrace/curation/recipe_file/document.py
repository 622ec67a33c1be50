"""A recipe with its placeholders filled and its keys validated; names are not resolved yet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headrace.curation.recipe_file.field_reading import describe_value, read_fields, refuse_unknown_keys
from headrace.curation.recipe_file.fields import (
    STAGE_KINDS,
    CheckFields,
    CommandFields,
    FilterFields,
    FusedFields,
    MergeFields,
    OperatorFields,
    OutputFields,
    RecipeFields,
    SourceFields,
    SqlFields,
)
from headrace.curation.recipe_file.foreach import ExpandedStage, expand_stages
from headrace.curation.recipe_file.nodes import ListNode, MapEntry, MapNode, Node, ScalarNode
from headrace.curation.recipe_file.parameters import read_parameters
from headrace.curation.recipe_file.placeholders import fill_placeholders
from headrace.curation.recipe_file.problems import Place, Problems
from headrace.schema.near_misses import near_miss

__all__ = [
    "NAME",
    "ReadOutput",
    "ReadSource",
    "ReadStage",
    "RecipeDocument",
    "StageBody",
    "UnreadStage",
    "check_name",
    "read_document",
]

NAME = re.compile(r"[A-Za-z_][\w.-]{0,99}", re.ASCII)

StageBody = OperatorFields | FusedFields | FilterFields | SqlFields | MergeFields | CheckFields | CommandFields


@dataclass(frozen=True, slots=True)
class ReadSource:
    """A source as it is written."""

    name: str
    fields: SourceFields
    node: Node
    place: Place | None  # of its name


@dataclass(frozen=True, slots=True)
class ReadStage:
    """A stage as it is written; `before` is the position of the stage that it reads when it names none."""

    kind: str
    fields: StageBody
    node: MapNode
    before: int | None

    @property
    def subject(self) -> str:
        """Starts messages about the stage."""
        return f"stage {self.fields.name!r}"


@dataclass(frozen=True, slots=True)
class UnreadStage:
    """Stands for a stage with problems, so that positions and names stay."""

    name: str


@dataclass(frozen=True, slots=True)
class ReadOutput:
    """An output as it is written."""

    name: str
    fields: OutputFields
    node: Node


@dataclass(frozen=True, slots=True)
class RecipeDocument:
    """What a recipe says."""

    name: str
    description: str
    sources: tuple[ReadSource, ...]
    stages: tuple[ReadStage | UnreadStage, ...]
    outputs: tuple[ReadOutput, ...]
    unread_sources: frozenset[str] = frozenset()
    is_partial: bool = False  # a `foreach` could not be written out, so names may be missing


def read_document(
    root: Node, *, folder: Path, overrides: Mapping[str, object], has_placeholders: bool, problems: Problems
) -> RecipeDocument:
    """Read all that can be read; what cannot is left out and noted.

    Args:
        has_placeholders: False for recipes made in Python, whose texts mean themselves.
    """
    if not isinstance(root, MapNode):
        problems.add(
            f"expected a recipe, a mapping that starts with 'recipe: NAME', not {describe_value(root)}", root.place
        )
        return RecipeDocument("", "", (), (), ())
    refuse_unknown_keys(root, list(RecipeFields.model_fields), subject="a recipe", problems=problems)
    parameters = root.get("parameters")
    values = read_parameters(parameters, folder=folder, overrides=overrides, problems=problems)

    def filled(key: str) -> Node | None:
        node = root.get(key)
        return node if node is None or not has_placeholders else fill_placeholders(node, values, problems=problems)

    written = filled("sources")
    sources = _sources(written, root, problems)
    names = {entry.key for entry in written} if isinstance(written, MapNode) else set()
    stages, is_partial = _stages(root, values, has_placeholders=has_placeholders, problems=problems)
    return RecipeDocument(
        name=_recipe_name(root, problems),
        description=_description(root, problems),
        sources=sources,
        stages=stages,
        outputs=_outputs(filled("outputs"), problems),
        unread_sources=frozenset(names - {source.name for source in sources}),
        is_partial=is_partial,
    )


def _recipe_name(root: MapNode, problems: Problems) -> str:
    node = root.get("recipe")
    if node is None:
        problems.add("a recipe needs the key 'recipe', its name", root.place, missing="recipe")
        return ""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        problems.add(f"recipe: expected its name, text, not {describe_value(node)}", node.place)
        return ""
    check_name(node.value, "a recipe", node.place, problems)
    return node.value


def check_name(name: str, what: str, place: Place | None, problems: Problems) -> None:
    """Note a name that nothing may be called."""
    if NAME.fullmatch(name) is None and "${" not in name:
        problems.add(
            f"{what} cannot be called {name[:60]!r}: expected a letter or '_' first, then up to 99 letters, digits, "
            "'_', '.' or '-'",
            place,
        )


def _description(root: MapNode, problems: Problems) -> str:
    node = root.get("description")
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        return ""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        problems.add(f"description: expected text, not {describe_value(node)}", node.place)
        return ""
    return node.value


def _entries(node: Node | None, key: str, problems: Problems) -> tuple[MapEntry, ...]:
    if node is None or (isinstance(node, ScalarNode) and node.value is None):
        return ()
    if not isinstance(node, MapNode):
        problems.add(f"{key}: expected a mapping, name: value, not {describe_value(node)}", node.place)
        return ()
    return node.entries


def _sources(node: Node | None, root: MapNode, problems: Problems) -> tuple[ReadSource, ...]:
    if node is None:
        problems.add("a recipe needs the key 'sources', the datasets that it reads", root.place, missing="sources")
    entries = _entries(node, "sources", problems)
    if node is not None and isinstance(node, MapNode) and not entries:
        problems.add("sources: expected at least one dataset", node.place)
    found = []
    for entry in entries:
        check_name(entry.key, "a source", entry.key_place, problems)
        value = entry.value
        if isinstance(value, ScalarNode) and isinstance(value.value, str):
            value = MapNode((MapEntry("ref", value.place, value),), value.place)
        fields = read_fields(value, SourceFields, subject=f"source {entry.key!r}", problems=problems)
        if fields is not None:
            found.append(ReadSource(entry.key, fields, value, entry.key_place))
    return tuple(found)


def _stages(
    root: MapNode, values: Mapping[str, Node], *, has_placeholders: bool, problems: Problems
) -> tuple[tuple[ReadStage | UnreadStage, ...], bool]:
    """The stages, and whether some are missing."""
    node = root.get("stages")
    if node is None:
        problems.add("a recipe needs the key 'stages', a list of what is done", root.place, missing="stages")
        return (), True
    if not isinstance(node, ListNode) or not node.items:
        problems.add(f"stages: expected a list of stages, not {describe_value(node)}", node.place)
        return (), True
    is_partial = False
    if has_placeholders:
        expanded, is_partial = expand_stages(node, values, problems=problems)
    else:
        expanded = [ExpandedStage(item, idx - 1) for idx, item in enumerate(node.items)]
    return tuple(_stage(item, problems) for item in expanded), is_partial


def _stage(stage: ExpandedStage, problems: Problems) -> ReadStage | UnreadStage:
    node = stage.node
    if not isinstance(node, MapNode):
        problems.add(f"expected a stage, a mapping with a name, not {describe_value(node)}", node.place)
        return UnreadStage("")
    name = node.get("name")
    unread = UnreadStage(name.value if isinstance(name, ScalarNode) and isinstance(name.value, str) else "")
    subject = f"stage {unread.name!r}" if unread.name else "a stage"
    kind = _kind(node, subject, problems)
    if kind is None:
        return unread
    if kind.key == "operators" and isinstance(kind.value, ListNode):
        node = _with_uses(node, kind)
    fields = read_fields(node, STAGE_KINDS[kind.key], subject=subject, problems=problems)
    if not isinstance(fields, StageBody):
        return unread
    check_name(fields.name, "a stage", node.at(["name"]), problems)
    return ReadStage(kind.key, fields, node, stage.before)


def _kind(node: MapNode, subject: str, problems: Problems) -> MapEntry | None:
    """The one entry that says what the stage does."""
    kinds = [entry for entry in node if entry.key in STAGE_KINDS]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        problems.add(
            f"{subject} has both {kinds[0].key!r} and {kinds[1].key!r}; a stage does one thing", kinds[1].key_place
        )
        return None
    for entry in node:
        hint = near_miss(entry.key, STAGE_KINDS)
        if hint and entry.key not in _OTHER_KEYS:
            problems.add(f"{subject} has no key {entry.key!r}.{hint}", entry.key_place)
            return None
    problems.add(f"{subject} does not say what it does: it needs one of {', '.join(STAGE_KINDS)}", node.place)
    return None


_OTHER_KEYS = frozenset(key for fields in STAGE_KINDS.values() for key in fields.model_fields if key not in STAGE_KINDS)


def _with_uses(node: MapNode, operators: MapEntry) -> MapNode:
    """`[image.blur]` as `[{operator: image.blur}]`, so that both are read alike."""
    items = tuple(
        MapNode((MapEntry("operator", item.place, item),), item.place)
        if isinstance(item, ScalarNode) and isinstance(item.value, str)
        else item
        for item in (operators.value.items if isinstance(operators.value, ListNode) else ())
    )
    uses = ListNode(items, operators.value.place)
    return MapNode(
        tuple(MapEntry(entry.key, entry.key_place, uses) if entry is operators else entry for entry in node),
        node.place,
    )


def _outputs(node: Node | None, problems: Problems) -> tuple[ReadOutput, ...]:
    found = []
    for entry in _entries(node, "outputs", problems):
        check_name(entry.key, "an output", entry.key_place, problems)
        fields = read_fields(entry.value, OutputFields, subject=f"output {entry.key!r}", problems=problems)
        if fields is not None:
            found.append(ReadOutput(entry.key, fields, entry.value))
    return tuple(found)
