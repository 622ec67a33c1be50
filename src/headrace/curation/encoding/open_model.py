"""The model of a file, opened once in a process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from blake3 import blake3

from headrace.curation.encoding.model import Model, ModelMismatch
from headrace.curation.encoding.model_calls import ModelCalls
from headrace.curation.encoding.model_settings import ONNX_SUFFIX, ModelSettings
from headrace.curation.results import OperatorUnusable
from headrace.errors import MissingExtra

if TYPE_CHECKING:  # the key of an operator covers the one that its settings choose, see `chosen_model`
    from headrace.curation.encoding import onnx_model, torch_model

__all__ = ["open_model"]


def open_model(settings: ModelSettings) -> ModelCalls:
    """The same object for the same settings, until the file changes.

    Raises:
        OperatorUnusable: The file cannot be read, has another digest, or is no model as the settings say.
        MissingExtra: The library is not installed.
    """
    try:
        status = settings.model.stat()
    except OSError as error:
        raise OperatorUnusable(
            f"{settings.operator}: the model {str(settings.model)!r} cannot be read: {error}"
        ) from error
    return _opened(settings, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4)
def _opened(settings: ModelSettings, num_bytes: int, changed_at: int) -> ModelCalls:
    name = f"{settings.operator}: the model {str(settings.model)!r}"
    if settings.digest:
        found = blake3().update_mmap(settings.model).hexdigest()
        if settings.digest.removeprefix("blake3:").lower() != found:
            raise OperatorUnusable(
                f"{name} has the digest {found}, and the recipe declares {settings.digest}; use the file that it was "
                "written for, or declare the new digest"
            )
    try:
        model = _loaded(settings)
    except ModelMismatch as error:
        raise OperatorUnusable(f"{name}: {error}") from error
    return ModelCalls(model, shape=settings.shape, batch=settings.batch, max_batch=settings.max_batch)


def _loaded(settings: ModelSettings) -> Model:
    # By name, so that an operator's key holds the library of its own model and not that of the other one.
    from pkgutil import resolve_name

    if settings.model.suffix == ONNX_SUFFIX:
        try:
            onnx: type[onnx_model.OnnxModel] = resolve_name("headrace.curation.encoding.onnx_model:OnnxModel")
        except ImportError as error:
            raise MissingExtra(f"{settings.operator} needs ONNX Runtime: pip install 'headrace[onnx]'") from error
        return onnx(
            settings.model, input_name=settings.input_name, output_name=settings.output_name, device=settings.device
        )
    try:
        scripted: type[torch_model.TorchModel] = resolve_name("headrace.curation.encoding.torch_model:TorchModel")
    except ImportError as error:
        raise MissingExtra(f"{settings.operator} needs torch: pip install torch") from error
    return scripted(
        settings.model,
        module=settings.module,
        arguments=dict(settings.arguments),
        input_name=settings.input_name,
        output_name=settings.output_name,
        device=settings.device,
    )
