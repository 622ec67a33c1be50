"""A recipe as users hold it: from a file or made in Python, validated and hashed before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.curation.compiling import compile_recipe
from headrace.curation.operator_catalogue import NamedOperator, OperatorCatalogue, installed_catalogue
from headrace.curation.plan_hash import PlanHash, hash_plan
from headrace.curation.recipe_file.document import read_document
from headrace.curation.recipe_file.nodes import ListNode, MapEntry, MapNode, Node, ScalarNode
from headrace.curation.recipe_file.problems import Problems
from headrace.curation.recipe_file.yaml_reading import read_yaml_file
from headrace.curation.stage import OperatorLike, Stage, plain_node, stage_node
from headrace.curation.stage_graph import StageGraph, graph_of
from headrace.curation.static_plan import StaticPlan, StaticStage
from headrace.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.curation.frozen_todo import FrozenTodo
    from headrace.curation.recipe_plan import RecipePlan
    from headrace.datasets.lake import Lake

__all__ = ["Recipe"]


class Recipe:
    """What is to be done with datasets. Immutable; making one reads no data and runs nothing."""

    def __init__(
        self,
        name: str,
        *,
        sources: Mapping[str, str | Mapping[str, Any]],
        stages: Sequence[Stage | OperatorLike],
        outputs: Mapping[str, Mapping[str, Any]] | None = None,
        description: str = "",
        folder: str | Path = ".",
        catalogue: OperatorCatalogue | None = None,
    ) -> None:
        """A recipe made in Python; the same stages in a file give the same hash.

        Args:
            sources: Datasets by the name that stages use: a reference, or a mapping with ref, where, columns.
            stages: `Stage` objects, names of operators, or functions decorated with `@operator`.
            outputs: Stages that become commits: mappings with stage, dataset, tags.
            folder: Where relative names of files start.
            catalogue: Where operators are found by name; by default all that are installed.

        Raises:
            InvalidInput: A value that no recipe could hold. Everything else is told by `validate`.
        """
        known: dict[str, NamedOperator] = {}
        entries = [
            MapEntry("recipe", None, _text(name, "name")),
            MapEntry("description", None, _text(description, "description")),
            MapEntry("sources", None, plain_node(sources, "sources")),
            MapEntry("stages", None, ListNode(tuple(stage_node(stage, known) for stage in stages), None)),
            MapEntry("outputs", None, plain_node(outputs or {}, "outputs")),
        ]
        self._setup(
            MapNode(tuple(entries), None),
            folder=Path(folder),
            overrides={},
            has_placeholders=False,
            catalogue=_Catalogue(known, catalogue),
        )

    def _setup(
        self,
        root: Node,
        *,
        folder: Path,
        overrides: Mapping[str, object],
        has_placeholders: bool,
        catalogue: OperatorCatalogue,
    ) -> None:
        self._root = root
        self._folder = folder
        self._overrides = overrides
        self._has_placeholders = has_placeholders
        self._catalogue = catalogue
        self._compiled: StaticPlan | None = None

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        set: Mapping[str, object] | None = None,  # noqa: A002 - the word of `--set`
        catalogue: OperatorCatalogue | None = None,
    ) -> Recipe:
        """The recipe of a file, validated.

        Args:
            set: Values of parameters, instead of those of the file.
            catalogue: Where operators are found by name; by default all that are installed.

        Raises:
            NotFound: There is no such file.
            InvalidInput: Everything that is wrong, each with file, line, column and the nearest name.
        """
        path = Path(path)
        recipe = cls.__new__(cls)
        recipe._setup(
            read_yaml_file(path),
            folder=path.parent,
            overrides=dict(set or {}),
            has_placeholders=True,
            catalogue=_Catalogue({}, catalogue),
        )
        recipe.validate()
        return recipe

    def validate(self) -> StaticPlan:
        """The compiled recipe: every stage with its values, in an order in which they can run. Runs nothing.

        Raises:
            InvalidInput: Everything that is wrong, told at once.
        """
        if self._compiled is None:
            problems = Problems()
            document = read_document(
                self._root,
                folder=self._folder,
                overrides=self._overrides,
                has_placeholders=self._has_placeholders,
                problems=problems,
            )
            self._compiled = compile_recipe(document, catalogue=self._catalogue, folder=self._folder, problems=problems)
        return self._compiled

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.validate().name

    @property
    def description(self) -> str:
        """What it is for."""
        return self.validate().description

    @property
    def stages(self) -> tuple[StaticStage, ...]:
        """The stages in an order in which they can run, those of `foreach` written out."""
        return self.validate().stages

    def plan(self, lake: Lake, *, todo: FrozenTodo | str | Path | None = None) -> RecipePlan:
        """The recipe on a lake: what is known there and what a run would do; its `run()` does it.

        Args:
            todo: A frozen one, or its file: its snapshots are read, whatever was committed since.

        Raises:
            InvalidInput: The recipe is wrong, or not the one of the todo.
            NotFound: A source or the todo is not there.
        """
        from headrace.curation.frozen_todo import FrozenTodo
        from headrace.curation.recipe_plan import RecipePlan

        frozen = FrozenTodo.read(todo) if isinstance(todo, str | Path) else todo
        return RecipePlan.on(self.validate(), self.hash(), lake=lake, folder=self._folder, todo=frozen)

    def preview(self, stage: str, n: int = 20, *, lake: Lake | None = None) -> pa.Table:
        """What a stage gives for the first rows of its sources; nothing is kept, and operators run in this process.

        Args:
            stage: Its name; the stages that it needs run too.
            n: Rows of each source.
            lake: Where references without a lake are looked up; by default the lake of the first source.

        Raises:
            InvalidInput: There is no such stage, or the recipe is wrong.
        """
        from headrace.curation.previewing import preview

        return preview(self.validate(), self.hash(), stage=stage, num_rows=n, lake=lake, folder=self._folder)

    def graph(self) -> StageGraph:
        """Which stage reads which; `.mermaid()` draws it."""
        return graph_of(self.validate())

    def hash(self) -> PlanHash:
        """The identity of the plan, as operators, models and scripts are now; the same on any machine.

        Raises:
            InvalidInput: An operator's code cannot be followed.
            NotFound: A file that counts is gone.
        """
        return hash_plan(self.validate())

    def __repr__(self) -> str:
        try:
            plan = self.validate()
        except InvalidInput as error:
            return f"<Recipe with problems: {error.message.splitlines()[0]}>"
        return (
            f"<Recipe {plan.name}: {len(plan.sources)} sources, {len(plan.stages)} stages, {len(plan.outputs)} outputs>"
        )

    def _repr_html_(self) -> str:
        try:
            plan = self.validate()
        except InvalidInput as error:
            return f"<pre>{escape(error.message)}</pre>"
        rows = "".join(
            f"<tr><td>{escape(stage.name)}</td><td>{stage.kind}</td>"
            f"<td>{escape(', '.join(item.origin for item in stage.inputs))}</td><td>{escape(stage.summary)}</td></tr>"
            for stage in plan.stages
        )
        head = "<tr><th>stage</th><th>kind</th><th>reads</th><th>what</th></tr>"
        return f"<table><caption>Recipe {escape(plan.name)}</caption>{head}{rows}</table>"


class _Catalogue:
    """Operators handed in as functions, then those of a catalogue, which is looked for when a name is asked for."""

    def __init__(self, known: Mapping[str, NamedOperator], below: OperatorCatalogue | None) -> None:
        self._known = known
        self._below = below

    def find_operator(self, name: str) -> NamedOperator:
        if name in self._known:
            return self._known[name]
        return self._installed().find_operator(name)

    def operator_names(self) -> list[str]:
        return sorted({*self._known, *self._installed().operator_names()})

    def _installed(self) -> OperatorCatalogue:
        if self._below is None:
            self._below = installed_catalogue()
        return self._below


def _text(value: object, key: str) -> ScalarNode:
    if not isinstance(value, str):
        raise InvalidInput(f"{key}: expected text, not {value!r}")
    return ScalarNode(value, None)
