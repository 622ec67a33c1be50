"""Texts for Arrow and looks at a whole array of them, without what takes long at the first use.

`pa.scalar`, and whatever turns Python values into it, imports pandas: 0.3 s, more than opening an index takes.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

__all__ = ["holds_character", "holds_empty", "no_text", "text"]

_CACHED_BYTES = 256 << 10  # of which what is found about each byte stays in the processor's cache


def text(value: str) -> pa.StringScalar:
    """A text as a scalar."""
    content = value.encode()
    ends = np.array([0, len(content)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(ends), pa.py_buffer(content)])[0]


def no_text() -> pa.StringScalar:
    """Null among texts."""
    return pa.nulls(1, pa.string())[0]


def holds_character(values: pa.StringArray, character: str) -> bool:
    """Whether any text holds an ASCII character: looked for in all bytes at once, which takes a tenth of the time that
    matching each text takes. Texts under a null count too."""
    data = values.buffers()[2]
    if data is None:
        return False
    ends = _ends(values)
    content = np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]]
    wanted = ord(character)
    return any(
        bool((content[start : start + _CACHED_BYTES] == wanted).any())
        for start in range(0, len(content), _CACHED_BYTES)
    )


def holds_empty(values: pa.StringArray) -> bool:
    """Whether any text is empty or null."""
    return bool(len(values)) and bool((np.diff(_ends(values)) == 0).any())


def _ends(values: pa.StringArray) -> np.ndarray:
    """Where texts start and end in their bytes, int32 [num_values + 1]."""
    offsets = values.buffers()[1]
    return np.frombuffer(offsets, dtype=np.int32)[values.offset : values.offset + len(values) + 1]
