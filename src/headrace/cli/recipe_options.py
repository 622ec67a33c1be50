"""Arguments and options of commands that read a recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from headrace.curation.recipe import Recipe

__all__ = ["load_recipe", "recipe_options", "recipe_words"]

Function = TypeVar("Function", bound=Callable[..., Any])


def recipe_options(function: Function) -> Function:
    """The file, and `--set`."""
    function = click.option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        help="Value of a parameter, read as YAML reads it, instead of the file's.",
    )(function)
    return click.argument("file", metavar="FILE", type=click.Path(path_type=Path))(function)


def recipe_words(file: Path, settings: tuple[str, ...], lake: str | None = None) -> list[str]:
    """The same recipe for the next command."""
    chosen = [word for text in settings for word in ("--set", text)]
    return [str(file), *chosen, *(() if lake is None else ("--lake", lake))]


def load_recipe(file: Path, settings: tuple[str, ...]) -> Recipe:
    """The validated recipe.

    Raises:
        NotFound: There is no such file.
        InvalidInput: What is wrong with recipe or parameters.
    """
    from headrace.curation.recipe import Recipe
    from headrace.curation.recipe_file.parameters import overrides_from_text

    return Recipe.load(file, set=overrides_from_text(settings))
