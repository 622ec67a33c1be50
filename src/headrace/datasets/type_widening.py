"""Which types a column may grow into without any value changing: wider numbers of the same kind."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["wider_type"]

_SIGNED = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_UNSIGNED = (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
_FLOATS = (pa.float16(), pa.float32(), pa.float64())


def wider_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both, None if there is none.

    | types | wider |
    |---|---|
    | the same | the same |
    | null and any | the other |
    | whole numbers | the narrowest that holds both; uint64 with signed ones: none |
    | floats | the wider |
    | anything else, also whole numbers with floats | none |

    Whole numbers and floats do not mix, because 2 and 2.0 are different values in the digest of a row.
    """
    if one == other:
        return one
    if pa.types.is_null(one) or pa.types.is_null(other):
        return other if pa.types.is_null(one) else one
    for kinds in (_SIGNED, _UNSIGNED, _FLOATS):
        if one in kinds and other in kinds:
            return max(one, other, key=kinds.index)
    for signed, unsigned in ((one, other), (other, one)):
        if signed in _SIGNED and unsigned in _UNSIGNED:
            rank = max(_SIGNED.index(signed), _UNSIGNED.index(unsigned) + 1)
            return _SIGNED[rank] if rank < len(_SIGNED) else None
    return None
