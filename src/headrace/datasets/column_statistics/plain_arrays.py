"""Arrow arrays without encodings, which count and compare alike however they came."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["has_untakeable_children", "plain_array", "plain_type"]


def plain_type(data_type: pa.DataType) -> pa.DataType:
    """The type whose values are the same without encodings: large strings, binaries and lists, nothing else."""
    types = pa.types
    if isinstance(data_type, pa.BaseExtensionType):
        return plain_type(data_type.storage_type)
    if types.is_dictionary(data_type) or types.is_run_end_encoded(data_type):
        return plain_type(data_type.value_type)
    if types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type):
        return pa.large_string()
    if types.is_binary(data_type) or types.is_large_binary(data_type) or types.is_binary_view(data_type):
        return pa.large_binary()
    if types.is_fixed_size_binary(data_type):
        return pa.large_binary()
    if types.is_float16(data_type):
        return pa.float32()
    if types.is_decimal32(data_type) or types.is_decimal64(data_type):
        return pa.decimal128(data_type.precision, data_type.scale)  # Arrow cannot count the narrow ones
    if types.is_map(data_type):
        return pa.large_list(data_type.key_type)
    if _is_list(data_type):
        return pa.large_list(data_type.value_type)
    return data_type


def plain_array(array: pa.Array) -> pa.Array:
    """The values without encodings, in `plain_type`; nulls stay. Lists keep their items as they are.

    Encodings are undone on plain values, as Arrow cannot take from views.
    """
    types = pa.types
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return plain_array(array.storage)
    if types.is_dictionary(kind):
        return plain_array(array.dictionary).take(array.indices)
    if types.is_run_end_encoded(kind):
        positions = np.arange(array.offset, array.offset + len(array))
        runs = np.searchsorted(array.run_ends.to_numpy(), positions, side="right")
        return plain_array(array.values).take(pa.array(runs))
    if types.is_map(kind):
        return _keys_of_maps(array)
    wanted = plain_type(kind)
    return array if wanted == kind or _is_list(kind) else array.cast(wanted)


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def has_untakeable_children(data_type: pa.DataType) -> bool:
    """Whether Arrow cannot select rows of something inside this type."""
    return any(_is_untakeable(child) for child in _children(data_type))


def _children(kind: pa.DataType) -> list[pa.DataType]:
    """Types inside lists, maps and structs."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _children(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _children(kind.value_type)
    if types.is_map(kind):
        return [kind.key_type, kind.item_type]
    if _is_list(kind):
        return [kind.value_type]
    if types.is_struct(kind):
        return [field.type for field in kind]
    return []


def _is_untakeable(kind: pa.DataType) -> bool:
    """Arrow cannot select rows of these inside other types; datasets store none of them."""
    types = pa.types
    if types.is_dictionary(kind):
        return _is_untakeable(kind.value_type) or bool(types.is_nested(kind.value_type))
    tests = (
        types.is_run_end_encoded,
        types.is_union,
        types.is_list_view,
        types.is_large_list_view,
        types.is_string_view,
        types.is_binary_view,
    )
    return any(test(kind) for test in tests) or any(_is_untakeable(child) for child in _children(kind))


def _keys_of_maps(array: pa.MapArray) -> pa.Array:
    """Maps as lists of their keys."""
    offsets = array.offsets.to_numpy()  # [num_rows + 1]
    keys = array.keys.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))
    starts = pa.array(offsets - offsets[0], pa.int64(), mask=np.append(_null_mask(array), False))
    return pa.LargeListArray.from_arrays(starts, keys)


def _null_mask(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)
