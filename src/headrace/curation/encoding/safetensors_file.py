"""Tensors of a safetensors file: a length, a JSON header, and raw numbers; nothing in it can run.

Source: the safetensors format, github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Final

import torch

__all__ = ["read_safetensors"]

_MAX_HEADER_BYTES: Final = 100_000_000
_DTYPES: Final = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors by name.

    Raises:
        ValueError: Not such a file, cut off, or with a kind of numbers that is not known here.
    """
    data = bytearray(path.read_bytes())  # torch wants memory that may be written to
    num_header = int.from_bytes(data[:8], "little")
    if len(data) < 8 or num_header > min(_MAX_HEADER_BYTES, len(data) - 8):
        raise ValueError("it does not begin like a safetensors file")
    header = json.loads(data[8 : 8 + num_header])
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    start = 8 + num_header
    tensors: dict[str, torch.Tensor] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        if kind not in _DTYPES:
            raise ValueError(f"tensor {name!r} holds {kind}; known are {', '.join(_DTYPES)}")
        dtype, count = _DTYPES[kind], math.prod(shape)
        if not 0 <= begin <= end <= len(data) - start or end - begin != count * dtype.itemsize:
            raise ValueError(f"tensor {name!r} of shape {shape} does not lie inside of the file")
        tensors[name] = (
            torch.frombuffer(data, dtype=dtype, count=count, offset=start + begin).reshape(shape)
            if count
            else torch.empty(shape, dtype=dtype)
        )
    return tensors
