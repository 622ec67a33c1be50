"""Samples side by side: the default collate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from headrace.streaming.samples import OutputBuffers, Sample
from headrace.streaming.torch_face import is_tensor, stacked_tensors

__all__ = ["Collate", "collate", "collate_columns"]

Collate = Callable[[list[Sample]], Any]


def collate(samples: Sequence[Sample], buffers: OutputBuffers | None = None) -> dict[str, Any]:
    """Stack what can be stacked: int64, float64 and bool for numbers, arrays as they are; the rest are lists. Whole
    numbers beside others become float64.

    A field that some samples lack is a list with None in it. Nested dicts are collated field by field.
    """
    fields: dict[str, Any] = {}
    names: dict[str, None] = {}
    for sample in samples:
        names.update(dict.fromkeys(sample))
    for name in names:
        prepared = None if buffers is None else buffers.arrays.get(name)
        fields[name] = _collated([sample.get(name) for sample in samples], prepared)
    return fields


def collate_columns(columns: Mapping[str, list[Any]]) -> dict[str, Any]:
    """The same of values that stand column by column already."""
    return {name: _collated(values, None) for name, values in columns.items()}


def _collated(values: list[Any], prepared: np.ndarray | None) -> Any:
    first = values[0] if values else None
    if isinstance(first, np.ndarray):
        if prepared is not None and all(_lies_in(value, prepared, idx) for idx, value in enumerate(values)):
            return prepared
        is_alike = all(
            isinstance(value, np.ndarray) and value.shape == first.shape and value.dtype == first.dtype
            for value in values
        )
        return np.stack(values) if is_alike and first.dtype != object else values
    if isinstance(first, bool | np.bool_):
        return np.array(values) if all(isinstance(value, bool | np.bool_) for value in values) else values
    if isinstance(first, int | float | np.integer | np.floating):
        return _numbers(values)
    if is_tensor(first):
        return stacked_tensors(values)
    if isinstance(first, dict) and all(isinstance(value, dict) for value in values):
        return collate(values)
    return values


def _numbers(values: list[Any]) -> Any:
    """int64 [num_values] of whole numbers, float64 where one is none, whichever comes first; else the list itself."""
    kinds = {type(value) for value in values}
    if bool in kinds or not all(issubclass(kind, int | float | np.integer | np.floating) for kind in kinds):
        return values
    if all(issubclass(kind, int | np.integer) for kind in kinds):
        return np.array(values, dtype=np.int64) if all(-(2**63) <= int(value) < 2**63 for value in values) else values
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # a whole number that no float holds
        return values


def _lies_in(value: object, prepared: np.ndarray, idx: int) -> bool:
    """Whether the value is the room that was prepared for it."""
    return (
        isinstance(value, np.ndarray)
        and value.shape == prepared.shape[1:]
        and value.dtype == prepared.dtype
        and value.strides == prepared.strides[1:]  # not a transposed or reversed view of the room
        and value.__array_interface__["data"][0] == prepared.__array_interface__["data"][0] + idx * prepared.strides[0]
    )
