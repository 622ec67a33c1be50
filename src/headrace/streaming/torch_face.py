"""What torch sees of ours, without importing it: a program that uses torch has it loaded already."""

from __future__ import annotations

import multiprocessing
import os
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from headrace.errors import MissingExtra

__all__ = [
    "TorchWorker",
    "as_tensors",
    "cuda_is_used",
    "is_tensor",
    "pinned",
    "stacked_tensors",
    "torch_face_of",
    "torch_is_loaded",
    "torch_worker",
    "trainer_pid",
]


_WIDEST_BYTES = 8  # of a number that torch has


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


@dataclass(frozen=True, slots=True)
class TorchWorker:
    """A worker process of torch's DataLoader."""

    number: int
    num_workers: int
    loader_seed: int  # that torch draws for each set of workers that it starts

    @property
    def own(self) -> tuple[int, int]:
        """Which of how many."""
        return self.number, self.num_workers


def torch_worker() -> TorchWorker | None:
    """The worker of torch's DataLoader that this process is; None outside of one."""
    module = sys.modules.get("torch.utils.data")
    found = None if module is None else module.get_worker_info()
    return None if found is None else TorchWorker(found.id, found.num_workers, found.seed - found.id)


def trainer_pid() -> int:
    """The process that iterates, or whose loader this worker serves."""
    parent = None if torch_worker() is None else multiprocessing.parent_process()
    return os.getpid() if parent is None or parent.pid is None else parent.pid


def as_tensors(value: Any) -> Any:
    """Arrays as tensors over the same memory; dicts field by field, their class and attributes kept."""
    if isinstance(value, np.ndarray):
        try:
            import torch
        except ImportError as error:
            raise MissingExtra("batch_format='torch' needs torch: pip install torch") from error
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > _WIDEST_BYTES:
            return value
        return torch.from_numpy(np.ascontiguousarray(value, value.dtype.newbyteorder("=")))
    if isinstance(value, dict):
        for name, item in value.items():
            value[name] = as_tensors(item)
    return value


def is_tensor(value: Any) -> bool:
    """Whether a transform gave a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def stacked_tensors(values: list[Any]) -> Any:
    """Tensors side by side, [batch, ...], as an array where numpy has their type; the list if they are not alike."""
    torch = sys.modules["torch"]
    first = values[0]
    if not all(is_tensor(value) and value.shape == first.shape and value.dtype == first.dtype for value in values):
        return values
    stacked = torch.stack([value.detach().cpu() for value in values])
    try:
        return stacked.numpy()  # goes through shared memory like all arrays, and becomes a tensor again
    except TypeError:  # bfloat16 and others
        return stacked


def pinned(value: Any) -> Any:
    """Tensors copied to page-locked memory, from which a GPU copies without waiting."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return value.pin_memory()
    if isinstance(value, dict):
        for name, item in value.items():
            value[name] = pinned(item)
    return value
