"""`foreach`: stages repeated for each value of a list, before anything else is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headrace.curation.recipe_file.field_reading import describe_value, refuse_unknown_keys
from headrace.curation.recipe_file.nodes import ListNode, MapNode, Node, ScalarNode
from headrace.curation.recipe_file.placeholders import fill_placeholders
from headrace.curation.recipe_file.problems import Problems
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["MAX_ROUNDS", "MAX_STAGES", "ExpandedStage", "expand_stages"]

MAX_STAGES = 1_000  # of a recipe, `foreach` written out
MAX_ROUNDS = 16 * MAX_STAGES

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True)
class ExpandedStage:
    """A stage with its placeholders filled.

    `before` is the position of the stage that it reads when it names none: the one above it, and for the first stage
    of a `foreach` the one above the `foreach`. -1 is the only source; None where there would be several.
    """

    node: Node
    before: int | None


@dataclass(slots=True)
class _Progress:
    stages: list[ExpandedStage]
    num_rounds: int = 0  # a round may add no stage, so stages alone do not bound the work
    is_full: bool = False
    is_partial: bool = False  # a `foreach` has problems


def expand_stages(
    node: ListNode, values: Mapping[str, Node], *, problems: Problems
) -> tuple[list[ExpandedStage], bool]:
    """All stages in the order of the file, those of a `foreach` value by value; and whether some are missing."""
    progress = _Progress([])
    _expand(node, values, -1, progress, problems)
    return progress.stages, progress.is_full or progress.is_partial


def _expand(
    node: ListNode, values: Mapping[str, Node], before: int | None, progress: _Progress, problems: Problems
) -> int | None:
    """Adds the stages and returns which one the next stage reads."""
    for item in node.items:
        if progress.is_full:
            return None
        if isinstance(item, MapNode) and item.entry("foreach") is not None:
            ends = []
            for stages, inner in _repeated(item, values, problems):
                progress.num_rounds += 1
                if progress.is_full or _is_full(progress, item, problems):
                    return None
                ends.append(_expand(stages, inner, before, progress, problems))
            progress.is_partial = progress.is_partial or not ends
            before = ends[0] if len(ends) == 1 else None
            continue
        if _is_full(progress, item, problems):
            return None
        progress.stages.append(ExpandedStage(fill_placeholders(item, values, problems=problems), before))
        before = len(progress.stages) - 1
    return before


def _is_full(progress: _Progress, item: Node, problems: Problems) -> bool:
    if len(progress.stages) < MAX_STAGES and progress.num_rounds <= MAX_ROUNDS:
        return False
    problems.add(f"more than {MAX_STAGES:,} stages, those of foreach written out", item.place)
    progress.is_full = True
    return True


def _repeated(
    node: MapNode, values: Mapping[str, Node], problems: Problems
) -> Iterator[tuple[ListNode, Mapping[str, Node]]]:
    """The stages of a `foreach` with the values of each round."""
    refuse_unknown_keys(node, ("foreach", "stages"), subject="foreach", problems=problems)
    stages = node.get("stages")
    if not isinstance(stages, ListNode) or not stages.items:
        problems.add("foreach: needs the key 'stages' with a list of stages", node.at(["stages"]))
        return
    over = node.get("foreach")
    if not isinstance(over, MapNode) or len(over.entries) != 1:
        problems.add(
            "foreach: expected one name with its values, such as {source: [danbooru, pixiv]}; "
            "for two names put a foreach inside of the other",
            node.at(["foreach"]),
        )
        return
    (entry,) = over.entries
    if not _VARIABLE.fullmatch(entry.key):
        problems.add(
            f"foreach: a name cannot be {entry.key!r}: expected letters, digits and '_', no digit first",
            entry.key_place,
        )
        return
    if entry.key in values:
        problems.add(f"foreach: {entry.key!r} is a parameter or the name of a foreach around already", entry.key_place)
        return
    items = fill_placeholders(entry.value, values, problems=problems)
    if not isinstance(items, ListNode):
        # An unknown placeholder was noted already; this does no more at the same place.
        known = near_miss_or_known("", [name for name, value in values.items() if isinstance(value, ListNode)])
        problems.add(f"foreach: expected a list of values, not {describe_value(items)}.{known}", items.place)
        return
    if not items.items:
        problems.add("foreach: the list is empty, so its stages would not even be looked at", items.place)
    seen: list[object] = []
    for item in items.items:
        if not isinstance(item, ScalarNode) or item.value is None:
            problems.add(f"foreach: expected a list of plain values, not {describe_value(item)} in it", item.place)
        elif (type(item.value), item.value) in seen:
            problems.add(f"foreach: {describe_value(item)} is twice in the list", item.place)
        else:
            seen.append((type(item.value), item.value))
            yield stages, {**values, entry.key: item}
