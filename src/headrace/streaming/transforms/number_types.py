"""Kinds of numbers by name, and arrays turned into another kind without wrapping around."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.errors import InvalidInput

__all__ = ["as_number_type", "converted"]

_KINDS = "biufc"


def as_number_type(name: str) -> np.dtype[Any]:
    """The dtype of a name such as "float32".

    Raises:
        InvalidInput: NumPy knows no such kind of numbers.
    """
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind not in _KINDS:
        raise InvalidInput(
            f"dtype is {name!r}: expected a kind of numbers that NumPy knows: 'float32', 'float16', 'int64', 'uint8', …"
        )
    return dtype


def converted(array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """The same values as another kind of numbers; the same array if nothing changes.

    Floats are rounded, and become inf where they are too large. Integers and booleans keep every value exactly.

    Raises:
        InvalidInput: Values do not fit: too large, negative, fractions, NaN, or with an imaginary part.
    """
    if array.dtype == dtype:
        return array
    real = array.real if dtype.kind != "c" else array
    with np.errstate(invalid="ignore", over="ignore"):
        result: np.ndarray = real.astype(dtype)
        is_kept = not array.imag.any() if dtype.kind == "f" else bool((result == array).all())
    if is_kept or dtype.kind == "c":
        return result
    raise InvalidInput(
        f"is {array.dtype} with values that {dtype} cannot hold exactly; expected what fits: scale or round before, or "
        "take a dtype of floats"
    )
