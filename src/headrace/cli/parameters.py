"""Arguments and options that several commands share, and how their texts are checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from headrace.errors import InvalidInput
from headrace.schema.references import Reference
from headrace.schema.tags import Tag, parse_tag
from headrace.units import parse_bytes, parse_duration

__all__ = [
    "BYTE_SIZE",
    "DURATION",
    "LAKE_VARIABLE",
    "REFERENCE",
    "SHARE",
    "TAG",
    "adopt_option",
    "dataset_argument",
    "existing_file",
    "lake_argument",
    "on_invalid_option",
    "reference_argument",
    "tag_option",
]

Function = TypeVar("Function", bound=Callable[..., Any])
LAKE_VARIABLE = "HEADRACE_LAKE"


class _Tag(click.ParamType[Tag]):
    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Tag:
        if isinstance(value, tuple):
            return value
        try:
            return parse_tag(value)
        except InvalidInput as error:
            self.fail(error.message, param, ctx)


class _Share(click.ParamType[tuple[str, float]]):
    name = "NAME=SHARE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        if isinstance(value, tuple):
            return value
        name, separator, text = str(value).partition("=")
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if not separator or not name or not 0 < share <= 1:
            self.fail(
                f"{value!r} is no share: expected NAME=SHARE with a share above 0 and up to 1, for example train=0.9",
                param,
                ctx,
            )
        return name, share


class _ByteSize(click.ParamType[int]):
    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_bytes(value)
        except InvalidInput as error:
            self.fail(error.message, param, ctx)


class _Duration(click.ParamType[float]):
    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(value)
        except InvalidInput as error:
            self.fail(error.message, param, ctx)


class _Reference(click.ParamType[Reference]):
    """LAKE::DATASET and a selector; the lake comes from HEADRACE_LAKE where the text names none."""

    name = "REF"

    def __init__(self, *, takes_selector: bool) -> None:
        self.takes_selector = takes_selector

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Reference:
        if isinstance(value, Reference):
            return value
        import os

        try:
            reference = Reference.parse(value, default_lake=os.environ.get(LAKE_VARIABLE) or None)
        except InvalidInput as error:
            self.fail(error.message, param, ctx)
        if reference.lake is None:
            self.fail(f"{value!r} names no lake: write LAKE::{value}, or set {LAKE_VARIABLE} to the lake", param, ctx)
        if reference.selector.kind != "all" and not self.takes_selector:
            self.fail(
                f"{value!r} names a snapshot, but this command works on a whole dataset: "
                f"leave out {str(reference.selector)!r}",
                param,
                ctx,
            )
        return reference


BYTE_SIZE = _ByteSize()
DURATION = _Duration()
TAG = _Tag()
SHARE = _Share()
DATASET = _Reference(takes_selector=False)
REFERENCE = _Reference(takes_selector=True)


def dataset_argument(function: Function) -> Function:
    """LAKE::NAME, a dataset that is there or is to be made."""
    return click.argument("dataset", metavar="LAKE::NAME", type=DATASET)(function)


def reference_argument(name: str = "ref", *, metavar: str = "REF") -> Callable[[Function], Function]:
    """A snapshot: LAKE::DATASET, then nothing, @alias, @id:HEX, @upto:N or @{time}."""

    def decorate(function: Function) -> Function:
        return click.argument(name, metavar=metavar, type=REFERENCE)(function)

    return decorate


def lake_argument(function: Function) -> Function:
    """LAKE, or HEADRACE_LAKE where it is left out."""
    return click.argument("lake", metavar="LAKE", envvar=LAKE_VARIABLE)(function)


def tag_option(help_text: str) -> Callable[[Function], Function]:
    """`--tag KEY=VALUE`, any number of times."""
    return click.option("--tag", "tags", metavar="KEY=VALUE", type=TAG, multiple=True, help=help_text)


def on_invalid_option(function: Function) -> Function:
    """What happens to a row that breaks the type's rules."""
    return click.option(
        "--on-invalid",
        type=click.Choice(["raise", "skip"]),
        default="raise",
        show_default=True,
        help="A broken row: refuse the whole input, or leave the row out and report it.",
    )(function)


def adopt_option(function: Function) -> Function:
    """Whether media bytes are copied into the lake or adopted where they lie."""
    return click.option(
        "--reference",
        "media",
        flag_value="reference",
        default="copy",
        help="Adopt media where it lies instead of copying its bytes into the lake.",
    )(function)


def existing_file(help_text: str, *declarations: str) -> Callable[[Function], Function]:
    """An option that names a file to read."""
    return click.option(
        *declarations, metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=help_text
    )
