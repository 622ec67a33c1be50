"""What torch sees of ours, without importing it: a program that uses torch has it loaded already."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np

from headrace.errors import MissingExtra

__all__ = ["as_tensors", "cuda_is_used", "pinned", "torch_face_of", "torch_is_loaded", "worker_share"]


@cache
def _face(kind: type, iterable: type) -> type:
    return type(kind.__name__, (kind, iterable), {})


def torch_face_of(kind: type) -> type:
    """A class that is an `IterableDataset` too once torch's loaders are loaded; before, the class itself."""
    module = sys.modules.get("torch.utils.data")
    iterable = getattr(module, "IterableDataset", None)
    return kind if iterable is None else _face(kind, iterable)


def torch_is_loaded() -> bool:
    """Whether this program uses torch."""
    return "torch" in sys.modules


def cuda_is_used() -> bool:
    """Whether this process trains on a GPU, or could."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_available())


def worker_share() -> tuple[int, int]:
    """This process among the workers of torch's DataLoader: (number, workers); (0, 1) outside of one."""
    module = sys.modules.get("torch.utils.data")
    found = None if module is None else module.get_worker_info()
    return (0, 1) if found is None else (found.id, found.num_workers)


def as_tensors(value: Any) -> Any:
    """Arrays as tensors over the same memory; dicts field by field, their class and attributes kept."""
    if isinstance(value, np.ndarray):
        try:
            import torch
        except ImportError as error:
            raise MissingExtra("batch_format='torch' needs torch: pip install torch") from error
        return torch.from_numpy(value) if value.dtype.kind in "biuf" else value
    if isinstance(value, dict):
        for name, item in value.items():
            value[name] = as_tensors(item)
    return value


def pinned(value: Any) -> Any:
    """Tensors copied to page-locked memory, from which a GPU copies without waiting."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return value.pin_memory()
    if isinstance(value, dict):
        for name, item in value.items():
            value[name] = pinned(item)
    return value
