"""Tensors in files that torch wrote. Imports torch, and only when such a file is read."""

from __future__ import annotations

import pickle
from io import BytesIO
from typing import Any

import numpy as np

from headrace.errors import InvalidInput, MissingExtra

__all__ = ["read_torch_file"]


def read_torch_file(data: bytes) -> Any:
    """What the file holds with its tensors as arrays: an array, or dicts and lists of them. Runs no code of the file.

    bfloat16 and the 8-bit floats, which NumPy does not know, become float32; tensors with gradients lose them.

    Raises:
        InvalidInput: Not such a file, damaged, or it holds objects beside tensors and plain values.
        MissingExtra: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("reading a .pt file needs torch: pip install torch") from error
    try:
        loaded = torch.load(BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        raise InvalidInput(
            f"is a torch file that holds more than tensors ({reason}); expected torch.save of tensors, or of dicts and "
            "lists of them: objects of other classes could run code, save their tensors instead"
        ) from error
    except Exception as error:
        raise InvalidInput(f"is a damaged or truncated torch file: {error}; write it anew") from error
    return _arrays(loaded, torch)


def _arrays(value: Any, torch: Any) -> Any:
    if isinstance(value, torch.Tensor):
        tensor = value.detach()
        if tensor.is_sparse or tensor.is_quantized:
            tensor = tensor.dequantize() if tensor.is_quantized else tensor.to_dense()
        try:
            return np.asarray(tensor.numpy())
        except TypeError:  # a kind of number that NumPy does not know
            return np.asarray(tensor.to(torch.float32).numpy())
    if isinstance(value, dict):
        return {name: _arrays(item, torch) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_arrays(item, torch) for item in value]
    return value
