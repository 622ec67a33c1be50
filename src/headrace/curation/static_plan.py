"""A compiled recipe: every stage with its values, in the order in which stages can run. Frozen, nothing is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from headrace.curation.merge_rules import MergeRules
from headrace.curation.operator_catalogue import OperatorEntry
from headrace.curation.recipe_file.nodes import ListNode, MapNode, Node
from headrace.curation.recipe_file.problems import Place
from headrace.schema.references import Reference
from headrace.schema.tags import Tag

__all__ = [
    "CheckWork",
    "CommandWork",
    "FilterWork",
    "MergeWork",
    "OperatorUse",
    "OperatorWork",
    "Sampling",
    "SqlWork",
    "StageInput",
    "StageKind",
    "StaticOutput",
    "StaticPlan",
    "StaticSource",
    "StaticStage",
    "StageWork",
]

StageKind = Literal["operator", "operators", "filter", "sql", "merge", "check", "command"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which rows are measured: a number or a share of them."""

    rows: int | None
    share: float | None
    seed: int


@dataclass(frozen=True, slots=True)
class OperatorUse:
    """An operator with its settings, defaults filled in, and the column that each of its inputs reads."""

    operator: OperatorEntry
    columns: tuple[tuple[str, str], ...]  # input of the function, column
    settings: tuple[tuple[str, object], ...]  # as the function gets them


@dataclass(frozen=True, slots=True)
class OperatorWork:
    """One operator, or several over one decode. Rows outside of `where` and `sample` get null."""

    uses: tuple[OperatorUse, ...]
    where: str | None
    sample: Sampling | None


@dataclass(frozen=True, slots=True)
class FilterWork:
    """Keeps the rows for which the expression is true."""

    expression: str


@dataclass(frozen=True, slots=True)
class SqlWork:
    """One SELECT over the stage's inputs."""

    sql: str
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MergeWork:
    """One row of the rows that several sources have of one identity."""

    rules: MergeRules


@dataclass(frozen=True, slots=True)
class CheckWork:
    """One SELECT that gives one true value, or the run stops."""

    sql: str
    message: str | None


@dataclass(frozen=True, slots=True)
class CommandWork:
    """A program without a shell. `files` are arguments that are files beside the recipe, with their paths; `media` are
    columns whose bytes it reads and may make anew.
    """

    arguments: tuple[str, ...]
    files: tuple[tuple[str, Path], ...]
    python: str | None
    requirements: Path | None
    media: tuple[str, ...] = ()


StageWork = OperatorWork | FilterWork | SqlWork | MergeWork | CheckWork | CommandWork


@dataclass(frozen=True, slots=True)
class StageInput:
    """What a stage reads: `origin` is a stage or source, `name` how the stage calls it."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class StaticSource:
    """A dataset that is read. `written` is what the recipe says of it."""

    name: str
    reference: Reference
    where: str | None
    columns: tuple[str, ...] | None
    written: Node | None = field(default=None, compare=False, repr=False)

    def place_of(self, *paths: Sequence[str | int]) -> Place | None:
        """Where the first of these parts that is there is written; None for recipes made in Python."""
        return _first_place(self.written, paths)


@dataclass(frozen=True, slots=True)
class StaticStage:
    """A stage. `place` is where it is written, None for recipes made in Python; `written` what the recipe says."""

    name: str
    kind: StageKind
    inputs: tuple[StageInput, ...]
    work: StageWork
    place: Place | None
    written: Node | None = field(default=None, compare=False, repr=False)

    @property
    def summary(self) -> str:
        """What it does, on one line."""
        match self.work:
            case OperatorWork(uses=uses):
                return ", ".join(use.operator.name for use in uses)
            case FilterWork(expression=text) | SqlWork(sql=text) | CheckWork(sql=text):
                return " ".join(text.split())
            case MergeWork(rules=rules):
                functions = ", ".join(f"{field} by {function}" for field, function in rules.functions)
                return f"merge {functions}, of {', '.join(rules.sources)}"
            case CommandWork(arguments=arguments):
                return " ".join(arguments)

    def place_of(self, *paths: Sequence[str | int]) -> Place | None:
        """Where the first of these parts that is there is written, such as ["settings", "by"]; else the stage."""
        found = _first_place(self.written, paths)
        return self.place if found is None else found


@dataclass(frozen=True, slots=True)
class StaticOutput:
    """A stage that becomes a commit."""

    name: str
    stage: str
    dataset: str
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class StaticPlan:
    """A compiled recipe. A stage comes after all that it reads."""

    name: str
    description: str
    sources: tuple[StaticSource, ...]
    stages: tuple[StaticStage, ...]
    outputs: tuple[StaticOutput, ...]

    def stage(self, name: str) -> StaticStage:
        """The stage of this name.

        Raises:
            KeyError: There is none.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)


def _first_place(node: Node | None, paths: Sequence[Sequence[str | int]]) -> Place | None:
    for path in paths:
        found = node
        for part in path:
            if isinstance(found, MapNode) and isinstance(part, str):
                found = found.get(part)
            elif isinstance(found, ListNode) and isinstance(part, int) and part < len(found.items):
                found = found.items[part]
            else:
                found = None
        if found is not None:
            return found.place
    return None
