"""From a recipe on the command line to its plan on a lake, and from there to runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from headrace.cli.parameters import LAKE_VARIABLE
from headrace.cli.recipe_options import load_recipe
from headrace.cli.targets import open_existing_lake, open_lake

if TYPE_CHECKING:
    from headrace.curation.recipe import Recipe
    from headrace.curation.recipe_plan import RecipePlan
    from headrace.curation.run_records import RunRecord
    from headrace.datasets.lake import Lake

__all__ = ["find_recorded_run", "lake_option", "open_lake_of_recipe", "plan_on_lake"]

Function = TypeVar("Function", bound=Callable[..., Any])


def lake_option(function: Function) -> Function:
    """`--lake`, or HEADRACE_LAKE."""
    return click.option(
        "--lake",
        metavar="LAKE",
        envvar=LAKE_VARIABLE,
        help="Where results are kept, and references without a lake are looked up; else the lake of the first source.",
    )(function)


def open_lake_of_recipe(recipe: Recipe, file: Path, lake: str | None) -> Lake:
    """The lake that is named, or that of the recipe's first source.

    Raises:
        InvalidInput: No lake is named anywhere.
    """
    from headrace.curation.recipe_plan import default_lake

    return open_lake(lake if lake is not None else default_lake(recipe.validate(), folder=file.parent))


def plan_on_lake(file: Path, settings: tuple[str, ...], lake: str | None, *, todo: Path | None = None) -> RecipePlan:
    """The recipe's plan on the lake that is named, or on that of its first source.

    Args:
        todo: A frozen one, whose snapshots are read.

    Raises:
        InvalidInput: The recipe is wrong, not the one of the todo, or no lake is named anywhere.
    """
    recipe = load_recipe(file, settings)
    return recipe.plan(open_lake_of_recipe(recipe, file, lake), todo=todo)


def find_recorded_run(run: str, lake: str | None) -> tuple[Lake, RunRecord]:
    """A run that was written down.

    Raises:
        NotFound: No such lake or run.
        InvalidInput: No lake is named.
    """
    from headrace.curation.run_records import find_run
    from headrace.errors import InvalidInput

    if lake is None:
        raise InvalidInput(f"which lake holds the run? Name it: --lake LAKE, or set {LAKE_VARIABLE}")
    found = open_existing_lake(lake)
    return found, find_run(found.store, run)
