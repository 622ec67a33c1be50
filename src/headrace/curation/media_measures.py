"""Numbers that follow from the size of a picture, by the names that operators give them when they drop a row.

Where an operator drops pictures for their size, those that stay have no column of that number; their size is known all
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["media_measure"]

Measure = Callable[[pa.ChunkedArray], pa.ChunkedArray]


def _pair(views: pa.ChunkedArray) -> tuple[Any, Any]:
    return pc.struct_field(views, "width").cast(pa.float64()), pc.struct_field(views, "height").cast(pa.float64())


_MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "shorter side": lambda views: pc.min_element_wise(*_pair(views), skip_nulls=False),
        "longer side": lambda views: pc.max_element_wise(*_pair(views), skip_nulls=False),
        "pixels": lambda views: pc.multiply(*_pair(views)),
        "longer over shorter side": lambda views: pc.divide(
            pc.max_element_wise(*_pair(views), skip_nulls=False), pc.min_element_wise(*_pair(views), skip_nulls=False)
        ),
    }
)


def media_measure(reason: str) -> tuple[str, Measure] | None:
    """The measure that a reason begins with, as "shorter side is below min_side" does, or "more pixels than …"."""
    words = reason.removeprefix("more ")
    found = next((name for name in _MEASURES if words.startswith(f"{name} ")), None)
    return None if found is None else (found, _MEASURES[found])
