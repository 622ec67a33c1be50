"""Embeddings as vectors of length 1."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.errors import InvalidInput

__all__ = ["cosines", "product_error", "unit_vectors"]

_BLOCK_NUMBERS: Final = 1 << 22


def unit_vectors(values: pa.Array, *, subject: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Vectors of length 1, [num_rows, num_dimensions], and which rows have one, [num_rows].

    A row has none where the list is null, holds null, NaN or infinity, or only zeros; its vector is zeros.

    Args:
        values: Lists of floats, of fixed size or not.
        subject: Operator and column, for messages.

    Raises:
        InvalidInput: Not lists of floats, or of different lengths.
    """
    kind = values.type
    is_list = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not is_list or not pa.types.is_floating(kind.value_type):
        raise InvalidInput(f"{subject} holds {kind}; expected lists of floats, such as fixed_size_list<float>[512]")
    is_valid = values.is_valid().to_numpy(zero_copy_only=False).copy()  # [num_rows]
    lengths = pc.unique(pc.list_value_length(values.drop_null())).to_pylist()
    if len(lengths) > 1:
        raise InvalidInput(f"{subject} holds vectors of {lengths[0]} and of {lengths[1]} numbers; expected one length")
    num_dimensions = int(lengths[0]) if lengths else 0
    numbers = values.drop_null().flatten().to_numpy(zero_copy_only=False)
    if num_dimensions and len(numbers) != int(is_valid.sum()) * num_dimensions:
        numbers = numbers[: int(is_valid.sum()) * num_dimensions]
    matrix = np.zeros((len(values), num_dimensions), dtype=np.float32)
    if not num_dimensions:
        return matrix, np.zeros(len(values), dtype=np.bool_)
    given = np.asarray(numbers).reshape(-1, num_dimensions)  # [num_valid, num_dimensions]
    places = np.flatnonzero(is_valid)
    step = max(1, _BLOCK_NUMBERS // num_dimensions)
    for start in range(0, len(places), step):
        rows = places[start : start + step]
        part = given[start : start + step].astype(np.float64)
        largest = np.abs(part).max(axis=1, initial=0.0)
        is_valid[rows] = usable = np.isfinite(largest) & (largest > 0)  # NaN makes the largest NaN
        part = np.where(usable[:, None], part, 0.0) / np.where(usable, largest, 1.0)[:, None]
        lengths64 = np.sqrt((part * part).sum(axis=1))
        matrix[rows] = part / np.where(usable, lengths64, 1.0)[:, None]
    return matrix, is_valid


def cosines(
    vectors: NDArray[np.float32],  # [num_vectors, num_dimensions]
    left: NDArray[np.int64],  # [num_pairs]
    right: NDArray[np.int64],  # [num_pairs]
) -> NDArray[np.float64]:  # [num_pairs]
    """Cosine of the angle between two vectors, in float64, rounded to 12 places so that any machine gives the same."""
    found = np.empty(len(left), dtype=np.float64)
    step = max(1, _BLOCK_NUMBERS // max(vectors.shape[1], 1))
    for start in range(0, len(left), step):
        ours = vectors[left[start : start + step]].astype(np.float64)
        theirs = vectors[right[start : start + step]].astype(np.float64)
        products = (ours * theirs).sum(axis=1)
        squares = (ours * ours).sum(axis=1) * (theirs * theirs).sum(axis=1)
        found[start : start + step] = products / np.sqrt(np.where(squares > 0, squares, 1.0))
    return np.round(found, 12)


def product_error(num_dimensions: int) -> float:
    """How far a product of two such vectors in float32 can be from the cosine, in whatever order it is summed."""
    return (num_dimensions + 8) * 2.0**-24
