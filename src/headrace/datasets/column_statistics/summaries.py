"""From values to what the documents hold: counts, extremes, quantiles and histograms as plain JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from headrace.datasets.value_counts import TEXT_LIMIT, NumberCounts, shorten
from headrace.storage.canonical import JsonValue

__all__ = [
    "digest_hashes",
    "histogram",
    "json_number",
    "numbers_of",
    "repeated",
    "size_summary",
    "text_value",
    "value_counts",
]


def value_counts(values: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """Distinct values without nulls, and their counts; shape [n] each."""
    counted = pc.value_counts(values)
    return counted.field(0), counted.field(1).to_numpy()


def numbers_of(values: pa.Array) -> NDArray[Any]:
    """The values as an array, [n]."""
    return np.asarray(values.to_numpy(zero_copy_only=False))


def digest_hashes(array: pa.Array) -> NDArray[np.uint64]:
    """First 8 bytes of each digest as a number; nulls are left out. Shape [num_digests]."""
    array = array.drop_null()
    kind = array.type
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width >= 8 and len(array):
        width = kind.byte_width
        buffer = np.frombuffer(array.buffers()[1], dtype=np.uint8)
        rows = buffer[array.offset * width : (array.offset + len(array)) * width].reshape(-1, width)  # [n, width]
        return np.ascontiguousarray(rows[:, :8]).view("<u8").reshape(-1).astype(np.uint64)
    digests = [(value if isinstance(value, bytes) else str(value).encode())[:8].ljust(8) for value in array.to_pylist()]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def json_number(value: Any) -> JsonValue:
    """A plain int, float or bool; None for what JSON cannot hold."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    number = float(value)
    return number if np.isfinite(number) else None


def histogram(counts: NumberCounts) -> JsonValue:
    """Edges and counts; None without values."""
    found = counts.histogram()
    return None if found is None else {"edges": found.edges, "counts": found.counts}


def size_summary(counts: NumberCounts, *, with_histogram: bool) -> JsonValue:
    """min, max, mean, quantiles and perhaps histogram of lengths and sizes; None without values."""
    extremes = counts.extremes()
    if extremes is None:
        return None
    summary: dict[str, JsonValue] = {
        "min": json_number(extremes[0]),
        "max": json_number(extremes[1]),
        "mean": json_number(counts.mean()),
        "quantiles": {share: json_number(value) for share, value in counts.quantiles().items()},
    }
    if with_histogram:
        summary["histogram"] = histogram(counts)
    return summary


def repeated(top: list[list[JsonValue]]) -> list[list[JsonValue]]:
    """The most frequent values as [value, count], or none where each occurs once, because then no value stands out."""
    return top if top and top[0][1] > 1 else []


def text_value(value: str | bytes) -> str:
    """A text cut to its limit, bytes as hex."""
    cut = shorten(value)
    return cut if isinstance(cut, str) else cut[: TEXT_LIMIT // 2].hex()
