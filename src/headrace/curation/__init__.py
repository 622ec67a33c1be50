"""Recipes: from datasets to curated datasets, planned and hashed before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.curation.recipe import Recipe
    from headrace.curation.stage import Stage

__all__ = ["Recipe", "Stage"]

# Imported when they are asked for: an operator's worker process needs neither pydantic nor a YAML reader.
_PLACES = {
    "Recipe": "headrace.curation.recipe",
    "Stage": "headrace.curation.stage",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
