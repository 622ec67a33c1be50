"""A model as its callers see it, and where it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

__all__ = ["Arrays", "Device", "Model", "ModelMismatch", "is_out_of_memory"]

Arrays = Mapping[str, NDArray[Any]]
"""Inputs by name, each [num_rows, ...]; one that is called "" goes to whatever the model calls its only input."""

Device = Literal["auto", "cpu", "cuda"]

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "failed to allocate", "bad allocation", "std::bad_alloc")


class ModelMismatch(ValueError):
    """The model takes or gives something else than the settings say; no fault of a row."""


class Model(Protocol):
    """Gives the same for the same arrays, bit for bit, on the same device. Thread-safe."""

    @property
    def device(self) -> str:
        """Where it runs: "cpu" or "cuda"."""
        ...

    @property
    def fixed_rows(self) -> int | None:
        """Rows that each call must have, where the file fixes them."""
        ...

    def run(self, arrays: Arrays) -> NDArray[Any]:
        """What the model gives, floats [num_rows, ...].

        Raises:
            ModelMismatch: Its inputs or outputs are others than these.
        """
        ...


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a library failed because memory, of machine or GPU, was short."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OUT_OF_MEMORY)
