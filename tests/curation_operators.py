"""A small catalogue of operators for tests of recipes: the same shape as the registry, nothing to install."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from headrace.errors import InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["REQUIRED", "Catalogue", "Spec", "TestOperator", "catalogue", "setting"]

REQUIRED: Any = object()


@dataclass(frozen=True)
class Setting:
    name: str
    type: Any
    default: object = REQUIRED

    @property
    def role(self) -> str:
        return "file" if self.type is Path else "value"

    def checked(self, value: object, *, operator: str) -> object:
        if self.role == "file" and isinstance(value, str):
            value = Path(value)
        try:
            return TypeAdapter(self.type, config=ConfigDict(strict=True)).validate_python(value)
        except ValidationError as error:
            raise InvalidInput(f"setting {self.name} of {operator}: {error.errors()[0]['msg']}") from None


def setting(name: str, type: Any, default: object = REQUIRED) -> tuple[str, Setting]:
    return name, Setting(name, type, default)


@dataclass(frozen=True)
class Spec:
    name: str
    function: Callable[..., Any]
    version: int = 1
    kind: Literal["sample", "batch", "table"] = "sample"
    inputs: Mapping[str, str] = field(default_factory=lambda: {"image": "media"})
    outputs: Mapping[str, object] = field(default_factory=dict)
    replaces: tuple[str, ...] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    code: tuple[tuple[str, str], ...] = ()

    def bind(self, given: Mapping[str, object]) -> Mapping[str, object]:
        values = {}
        for name, known in self.settings.items():
            if name not in given and known.default is REQUIRED:
                raise InvalidInput(f"{self.name} needs the setting {name}")
            values[name] = known.checked(given[name], operator=self.name) if name in given else known.default
        return values

    def identity(self, settings: Mapping[str, object]) -> Mapping[str, object]:
        return {
            name: hashlib.sha256(value.read_bytes()).hexdigest() if isinstance(value, Path) else value
            for name, value in settings.items()
        }

    def with_settings(self, settings: Mapping[str, object]) -> Spec:
        return self

    def output_columns(self, settings: Mapping[str, object]) -> Mapping[str, str]:
        return {name: name for name in self.outputs}


@dataclass(frozen=True)
class TestOperator:
    """What a decorator makes of a function."""

    __test__ = False
    spec: Spec

    def __call__(self, *arguments: object) -> object:
        return self.spec.function(*arguments)


class Catalogue:
    """The registry's two functions over a list."""

    def __init__(self, *specs: Spec) -> None:
        self.operators = {spec.name: TestOperator(spec) for spec in specs}

    def find_operator(self, name: str) -> TestOperator:
        if name not in self.operators:
            raise InvalidInput(f"there is no operator {name!r}.{near_miss_or_known(name, self.operators)}")
        return self.operators[name]

    def operator_names(self) -> list[str]:
        return sorted(self.operators)


def measure_blur(image: object) -> float:
    return float(len(repr(image)))


def measure_entropy(image: object) -> float:
    return float(len(str(image)))


def hash_image(image: object, *, size: int = 8) -> int:
    return hash(repr(image)) % size


def verify(image: object, *, min_side: int = 64) -> bool:
    return len(repr(image)) > min_side


def tag(image: object, *, model: Path) -> str:
    return str(model)


def drop_duplicates(table: object) -> object:
    return table


def catalogue() -> Catalogue:
    """Five sample operators, one of them with a model, and one for tables."""
    return Catalogue(
        Spec("image.blur", measure_blur, outputs={"blur": "double"}),
        Spec("image.entropy", measure_entropy, outputs={"entropy": "double"}),
        Spec("image.phash", hash_image, outputs={"phash": "uint64"}, settings=dict([setting("size", int, 8)])),
        Spec("image.verify", verify, settings=dict([setting("min_side", int, 64), setting("strict", bool, False)])),
        Spec("image.tag", tag, outputs={"tag": "string"}, settings=dict([setting("model", Path)])),
        Spec(
            "exact.duplicates",
            drop_duplicates,
            kind="table",
            inputs={"table": "table"},
            settings=dict([setting("by", list[str] | None, None)]),
        ),
    )
