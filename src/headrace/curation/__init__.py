"""Curation: declared steps from raw data to training data, each on rows that keep their identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.curation.hamming import hamming_distances
from headrace.curation.media import Media
from headrace.curation.operator import Operator, operator
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.registry import find_operator, operator_names, register_operator
from headrace.curation.results import Drop, OperatorUnusable, Replace
from headrace.curation.settings import Column, Condition, Effort, OutputName

if TYPE_CHECKING:
    from headrace.curation.recipe import Recipe
    from headrace.curation.stage import Stage

# Bound here and not by a lazy `__getattr__`, because `operator` shares its name with its module, which would win.
# None of these modules imports numpy, pyarrow, pydantic or OpenCV before it is used; a test holds them to it.
__all__ = [
    "Column",
    "Condition",
    "Drop",
    "Effort",
    "Media",
    "Operator",
    "OperatorSpec",
    "OperatorUnusable",
    "OutputName",
    "Recipe",
    "Replace",
    "Stage",
    "find_operator",
    "hamming_distances",
    "operator",
    "operator_names",
    "register_operator",
]

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
