"""What the encode operators say of their model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from headrace.curation.encoding.model import Device
from headrace.curation.encoding.vector_columns import vector_type
from headrace.curation.operator_spec import Chosen
from headrace.curation.settings import Effort
from headrace.errors import InvalidInput

__all__ = [
    "ONNX_SUFFIX",
    "STATE_SUFFIXES",
    "Arguments",
    "BatchRows",
    "MaxBatch",
    "ModelSettings",
    "NumberType",
    "Shape",
    "chosen_model",
]

Shape = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
Arguments = dict[str, int | float | str | bool] | None
NumberType = Literal["float32", "float16"]
BatchRows = Annotated[int, Field(ge=1)]
MaxBatch = Annotated[Effort, Field(ge=1)]

ONNX_SUFFIX: Final = ".onnx"
STATE_SUFFIXES: Final = (".safetensors", ".pt", ".pth", ".bin")
_MODELS: Final = "headrace.curation.encoding"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """A model and how it is called; the settings of the operators say what each means."""

    operator: str
    model: Path
    digest: str
    module: str | None
    arguments: tuple[tuple[str, object], ...]
    input_name: str | None
    output_name: str | None
    shape: tuple[int, ...]
    dtype: NumberType
    unit_length: bool
    batch: int
    max_batch: int
    device: Device

    @property
    def num_numbers(self) -> int:
        """Of one row's result."""
        return math.prod(self.shape)


def chosen_model(settings: Mapping[str, object]) -> Chosen:
    """Column type and code by `shape`, `dtype`, `model` and `module`, for `@operator(chosen=...)`.

    Raises:
        InvalidInput: A file that is no model, or one of which `module` must say what it is.
    """
    path, module = Path(str(settings["model"])), settings["module"]
    if path.suffix == ONNX_SUFFIX:
        if module is not None:
            raise InvalidInput(f"setting module is {module!r}, but {path.name!r} is a whole model; leave module out")
        code: tuple[tuple[str, str], ...] = ((f"{_MODELS}.onnx_model", "OnnxModel"),)
    elif path.suffix in STATE_SUFFIXES:
        if module is None and path.suffix == ".safetensors":
            raise InvalidInput(
                f"{path.name!r} holds weights and no model; say which class they belong to: module: my_models:Encoder"
            )
        code = ((f"{_MODELS}.torch_model", "TorchModel"),)
        if module is not None:
            place, found, name = str(module).partition(":")
            if not found or not place or not name.isidentifier():
                raise InvalidInput(f"setting module is {module!r}; expected package.module:Class, as it is imported")
            code = (*code, (place, name))
    elif path.suffix == ".pt2":
        raise InvalidInput(
            f"{path.name!r}: torch.export.load runs pickled code that such a file may hold, so it is not opened; "
            "export the model to ONNX, or save its state_dict as safetensors and name its class as module"
        )
    else:
        raise InvalidInput(
            f"{path.name!r} ends like no model: expected {ONNX_SUFFIX}, or {', '.join(STATE_SUFFIXES)} with weights"
        )
    shape = settings["shape"]
    sizes = shape if isinstance(shape, list) else []  # a list by the setting's type
    return Chosen({"embedding": vector_type(sizes, str(settings["dtype"]))}, code)
