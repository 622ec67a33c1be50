"""An operator as a stage uses it: which columns it reads, with which settings, under which key its results are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from headrace.curation.operator import Operator
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.registry import BUILT_IN, find_operator
from headrace.errors import InvalidInput

__all__ = ["Step", "step_from_json"]


@dataclass(frozen=True, slots=True)
class Step:
    """One operator of a stage.

    Attributes:
        columns: The column of the rows for each of the operator's inputs.
        outputs: The column of the result for each of the operator's outputs.
        settings: Bound, see `OperatorSpec.bind`.
        key: Hex; changes when the same input could give another result.
    """

    spec: OperatorSpec
    columns: Mapping[str, str]
    outputs: Mapping[str, str]
    settings: Mapping[str, object]
    key: str

    @property
    def media_inputs(self) -> list[str]:
        """Inputs that come as media."""
        return [name for name, kind in self.spec.inputs.items() if kind == "media"]

    @property
    def value_inputs(self) -> list[str]:
        """Inputs that come as values."""
        return [name for name, kind in self.spec.inputs.items() if kind != "media"]

    def to_json(self) -> dict[str, Any]:
        """How another process finds it: by name where it is built in or installed, else by module.

        Raises:
            InvalidInput: Its function is defined where no other process can import it from.
        """
        function = self.spec.function
        module, qualname = function.__module__, function.__qualname__
        if self.spec.name not in BUILT_IN and (module == "__main__" or "<" in qualname):
            raise InvalidInput(
                f"operator {self.spec.name} is defined in {'the script' if module == '__main__' else qualname}, where "
                "worker processes cannot import it from; move it into a module, or run with workers=0"
            )
        return {
            "name": self.spec.name,
            "place": [module, qualname],
            "columns": dict(self.columns),
            "outputs": dict(self.outputs),
            "settings": {name: _plain(value) for name, value in self.settings.items()},
            "key": self.key,
        }


def step_from_json(document: Mapping[str, Any]) -> Step:
    """What `Step.to_json` described.

    Raises:
        InvalidInput: The operator is not the one that the recipe was compiled with.
    """
    module, qualname = document["place"]
    found = getattr(import_module(module), qualname, None) if document["name"] not in BUILT_IN else None
    operator = found if isinstance(found, Operator) else find_operator(document["name"])
    settings = operator.spec.bind(document["settings"])
    return Step(
        operator.spec.with_settings(settings),
        columns=document["columns"],
        outputs=document["outputs"],
        settings=settings,
        key=document["key"],
    )


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
