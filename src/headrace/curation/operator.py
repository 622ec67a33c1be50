"""`@operator`: a plain function becomes a step that recipes can name."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, get_type_hints

from headrace.curation.media import Media
from headrace.curation.operator_spec import (
    ChosenBySettings,
    ColumnChoice,
    InputKind,
    Needs,
    OperatorKind,
    OperatorSpec,
)
from headrace.curation.settings import REQUIRED, Setting, setting_docs
from headrace.errors import InvalidInput

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Operator", "operator"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_INPUT_OF_KIND: dict[OperatorKind, InputKind] = {"sample": "value", "batch": "array", "table": "table"}


class Operator(Generic[Parameters, Result]):
    """A decorated function: callable as before, with its definition in `spec`."""

    spec: OperatorSpec

    def __init__(self, function: Callable[Parameters, Result], spec: OperatorSpec) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self.spec = spec

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<operator {self.spec.name} version {self.spec.version}>"

    def __reduce__(self) -> str:
        return self._function.__qualname__  # by name, as functions are pickled: workers import the module


def operator(
    *,
    name: str,
    outputs: Mapping[str, pa.DataType],
    version: int = 1,
    batch: bool = False,
    table: bool = False,
    library: str | None = None,
    oracle: str | None = None,
    replaces: Iterable[str] = (),
    keys: str | None = None,
    reads: ColumnChoice | None = None,
    is_rowwise: bool = False,
    batch_rows: str | None = None,
    chosen: ChosenBySettings | None = None,
    gil_free: bool = False,
    gpu: float = 0.0,
    gpu_optional: bool = False,
    memory_bytes: int = 0,
    timeout_seconds: float | None = None,
) -> Callable[[Callable[Parameters, Result]], Operator[Parameters, Result]]:
    """Make an operator of a function.

    Positional parameters name the columns that it reads; one annotated `Media` gets media, in a batch operator one
    annotated `list[Media | None]`. Keyword-only parameters are settings: annotated, with defaults, their meaning in the
    docstring's "Args:". It gives one value, a dict with the names of `outputs`, or `Drop`; it raises `InvalidInput` for
    a row that cannot be worked on, and `OperatorUnusable` where it can work on none.

    Args:
        name: Lower case with a dot, such as "image.blur".
        outputs: Arrow type of each column that it gives; empty where it only drops rows.
        version: Raise it when the same input gives other output: what was computed before is computed anew.
        batch: The function takes and gives arrow arrays [num_rows]. A dict may hold `_failed` as well: why a row cannot
            be worked on, null where it can.
        table: The function takes a `pa.Table` and gives one of as many rows in the same order: `outputs`, and
            `_dropped` with the reason where a row leaves, perhaps also `_dropped_value` and `_dropped_threshold`: what
            was measured of it and what it was held against. The table holds `_id`.
        library: What computes it, for `headrace operators list --evidence`.
        oracle: What it was compared with; without one it is experimental.
        replaces: Media columns for which it gives `Replace`.
        keys: Setting whose columns say which rows a table operator must see together; by default all.
        reads: Columns that a table operator reads where its settings do not name them.
        is_rowwise: The table operator looks at each row by itself.
        batch_rows: Setting that says how many rows a batch operator takes in one call; by default all of a chunk.
        chosen: Gives the types of the outputs, and code that counts, where they depend on the settings.
        gil_free: It spends its time outside of the GIL, and several threads may call it at once: it changes nothing
            that calls share, and its libraries allow it. Its first call in a process is made by one thread while the
            others wait, so what it loads and keeps is loaded once. Recipes run a stage whose operators all are free
            in threads that share a process, any other one in a process for each worker.
        gpu: Share of a GPU up to 1, or how many, of a worker: no more workers run at once than fit, each sees its own.
        gpu_optional: Where there is no GPU it works without; else a run that needs it does not begin.
        memory_bytes: What a worker takes beside the rows, models included. No more run at once than fit below
            `--memory`.
        timeout_seconds: For one row, batch or table.

    Raises:
        InvalidInput: The function's signature says too little, or the name is none.
    """

    def decorate(function: Callable[Parameters, Result]) -> Operator[Parameters, Result]:
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"operator name {name!r}: expected lower-case words joined by dots, such as 'image.blur'"
            )
        if batch and table:
            raise InvalidInput(f"operator {name}: batch=True and table=True exclude each other")
        if isinstance(version, bool) or version < 1:
            raise InvalidInput(f"operator {name}: version is {version!r}; expected a whole number from 1")
        kind: OperatorKind = "batch" if batch else "table" if table else "sample"
        if gpu < 0 or (gpu > 1 and gpu != round(gpu)):
            raise InvalidInput(f"operator {name}: gpu is {gpu!r}; expected a share up to 1, or a whole number of GPUs")
        if memory_bytes < 0:
            raise InvalidInput(f"operator {name}: memory_bytes is {memory_bytes!r}; expected a number from 0")
        inputs, settings = _read_signature(function, name=name, kind=kind)
        for role, names in (
            ("keys", [] if keys is None else [keys]),
            ("batch_rows", [] if batch_rows is None else [batch_rows]),
            ("replaces", list(replaces)),
        ):
            missing = [word for word in names if word not in (inputs if role == "replaces" else settings)]
            if missing:
                raise InvalidInput(f"operator {name}: {role} names {missing[0]!r}, which the function does not have")
        spec = OperatorSpec(
            name=name,
            version=version,
            inputs=inputs,
            outputs=dict(outputs),
            settings=settings,
            kind=kind,
            function=function,
            docs=(inspect.getdoc(function) or "").partition("\n")[0],
            replaces=tuple(replaces),
            keys=keys,
            reads=reads,
            is_rowwise=is_rowwise,
            batch_rows=batch_rows,
            chosen=chosen,
            is_gil_free=gil_free,
            needs=Needs(gpu, memory_bytes, timeout_seconds, gpu_optional),
            library=library,
            oracle=oracle,
        )
        return Operator(function, spec)

    return decorate


def _read_signature(
    function: Callable[..., Any], *, name: str, kind: OperatorKind
) -> tuple[dict[str, InputKind], dict[str, Setting]]:
    """Inputs and settings.

    Raises:
        InvalidInput: No input, a setting without a type, `*args` or `**kwargs`.
    """
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise InvalidInput(
            f"operator {name}: an annotation cannot be looked up: {error}; import it outside of TYPE_CHECKING"
        ) from error
    docs = setting_docs(inspect.getdoc(function) or "")
    inputs: dict[str, InputKind] = {}
    settings: dict[str, Setting] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InvalidInput(f"operator {name}: {parameter} hides what it reads; name each column and setting")
        if parameter.kind is parameter.KEYWORD_ONLY:
            if parameter.name not in hints:
                raise InvalidInput(f"operator {name}: setting {parameter.name} has no type; annotate it")
            default = REQUIRED if parameter.default is parameter.empty else parameter.default
            settings[parameter.name] = Setting(
                parameter.name, hints[parameter.name], default, docs.get(parameter.name, "")
            )
        elif parameter.default is not parameter.empty:
            raise InvalidInput(
                f"operator {name}: {parameter.name} has a default, so it is a setting; put it behind a *"
            )
        else:
            is_media = hints.get(parameter.name) in (Media, list[Media | None])
            inputs[parameter.name] = "media" if is_media else _INPUT_OF_KIND[kind]
            if is_media and (hints[parameter.name] is Media) != (kind == "sample"):
                wanted = {"sample": "Media", "batch": "list[Media | None]", "table": "pa.Table"}[kind]
                raise InvalidInput(
                    f"operator {name}: {parameter.name} is annotated {parameter.annotation}; expected "
                    f"{wanted}, as it works on each {kind}"
                )
    if not inputs:
        raise InvalidInput(f"operator {name} reads no column; its positional parameters name them")
    if kind == "table" and len(inputs) > 1:
        raise InvalidInput(f"operator {name}: a table operator takes one table, not {len(inputs)} columns")
    return inputs, settings
