"""Models of torch: TorchScript, or weights in a class of the user's project. No pickled object is ever run."""

from __future__ import annotations

import inspect
import pkgutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from headrace.curation.encoding.model import Arrays, Device, ModelMismatch
from headrace.curation.encoding.one_thread import one_thread
from headrace.curation.encoding.safetensors_file import read_safetensors

__all__ = ["TorchModel"]


class TorchModel:
    """A module in `eval` mode, on one device. Thread-safe where its `forward` changes nothing."""

    fixed_rows: int | None = None

    def __init__(
        self,
        path: Path,
        *,
        module: str | None,
        arguments: Mapping[str, object],
        input_name: str | None,
        output_name: str | None,
        device: Device,
    ) -> None:
        """
        Raises:
            ModelMismatch: The file cannot be opened, its weights do not fit the class, or the device is not there.
        """
        if device == "cuda" and not torch.cuda.is_available():
            raise ModelMismatch("device is 'cuda', and torch finds no GPU")
        self.device = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        self._module = _scripted(path) if module is None else _with_weights(path, module, arguments)
        self._module = self._module.to(self.device).eval()  # torch's: layers as for inference; nothing is evaluated
        self._output_name = output_name
        self._parameters = _parameters(self._module)
        self._input_name = input_name or self._parameters[0]
        self._dtype = next(
            (value.dtype for value in self._module.parameters() if value.is_floating_point()), torch.float32
        )

    def run(self, arrays: Arrays) -> NDArray[Any]:
        """See `Model`."""
        (_, first), *others = arrays.items()
        named = {self._input_name: first, **{name: array for name, array in others if name in self._parameters}}
        flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with one_thread(), torch.inference_mode(), flags:
            tensors = {name: self._tensor(array) for name, array in named.items()}
            head = tensors.pop(self._input_name)
            found = self._picked(self._module(head, **tensors))
            if not found.is_floating_point():
                raise ModelMismatch(f"its output is {found.dtype}; expected floats")
            result: NDArray[Any] = found.float().cpu().numpy()
        return result

    def _tensor(self, array: NDArray[Any]) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor

    def _picked(self, found: object) -> torch.Tensor:
        """The output that the settings name, of a tensor, tuple, dict or object."""
        name = self._output_name
        value: object = found
        if name is not None:
            if isinstance(found, Mapping):
                value = found.get(name)
            elif isinstance(found, tuple | list) and name.isdecimal():
                value = found[int(name)] if int(name) < len(found) else None
            else:
                value = getattr(found, name, None)
        elif isinstance(found, tuple | list) and len(found) == 1:
            value = found[0]
        if isinstance(value, torch.Tensor):
            return value
        wanted = "a tensor" if name is None else f"a tensor as {name!r}"
        raise ModelMismatch(
            f"it gives {_described(found)}; expected {wanted}. Name the one that is wanted as output_name"
        )


def _scripted(path: Path) -> Any:
    """TorchScript: its own format, read by C++, holding no Python objects."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            load: Any = torch.jit.load  # untyped
            return load(path, map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelMismatch(
            f"torch cannot open it as TorchScript: {_first_line(error)}; where it holds weights only, say which class "
            "they belong to: module: my_models:Encoder"
        ) from error


def _with_weights(path: Path, place: str, arguments: Mapping[str, object]) -> torch.nn.Module:
    try:
        factory = pkgutil.resolve_name(place)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelMismatch(
            f"module {place!r} cannot be imported: {error}; it must be installed, or lie on PYTHONPATH"
        ) from error
    try:
        module = factory(**arguments)
    except Exception as error:
        raise ModelMismatch(f"module {place!r} cannot be made: {type(error).__name__}: {error}") from error
    if not isinstance(module, torch.nn.Module):
        raise ModelMismatch(f"module {place!r} gives {type(module).__name__}; expected a torch.nn.Module")
    try:
        state = (
            read_safetensors(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:
        # torch raises pickle's, zip's and its own errors; what is no plain state_dict is refused here.
        raise ModelMismatch(
            f"its weights cannot be read: {_first_line(error)}; expected safetensors, or a state_dict that torch.save "
            "wrote: files that hold other objects are not opened"
        ) from error
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ModelMismatch(f"its weights do not fit {place}: {' '.join(str(error).split())[:400]}") from error
    return module


def _parameters(module: Any) -> list[str]:
    """Names of what `forward` takes."""
    if isinstance(module, torch.jit.ScriptModule):
        forward: Any = module.forward  # which has a schema only here
        return [argument.name for argument in forward.schema.arguments][1:]
    return list(inspect.signature(module.forward).parameters)


def _described(found: object) -> str:
    if isinstance(found, Mapping):
        return f"a dict with {', '.join(map(str, found))}"
    if isinstance(found, tuple | list):
        return f"{len(found)} values"
    return type(found).__name__


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
