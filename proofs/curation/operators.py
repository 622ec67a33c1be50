"""Operators of the proofs: each call leaves a line in a file, and some rows are poison."""

from __future__ import annotations

import ctypes
import functools
import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from headrace.curation import operator
from headrace.errors import InvalidInput

__all__ = ["count", "length", "letters", "score", "volatile", "volatile_free"]


def _note(log: str, line: str) -> None:
    if log:
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{line}\n".encode())  # one call: lines of several processes do not mix
        os.close(descriptor)


@operator(name="proof.length", outputs={"length": pa.int64()})
def length(text: str, *, log: str = "", seconds: float = 0.0) -> int:
    """Letters of the text.

    Args:
        log: File that gets a line for each call.
        seconds: How long it takes.
    """
    _note(log, text)
    time.sleep(seconds)
    return len(text)


@operator(name="proof.letters", outputs={"letters": pa.int64()})
def letters(text: str) -> int:
    """Different letters of the text."""
    return len(set(text))


@operator(name="proof.count", outputs={"words": pa.int64()})
def count(text: str) -> int:
    """Words of the text."""
    return text.count(" ") + 1


@operator(name="proof.score", outputs={"score": pa.float64()})
def score(text: str, *, weights: Path, log: str = "") -> float:
    """A tiny model: the mean weight of the text's bytes.

    Args:
        weights: NumPy file with 256 numbers.
        log: File that gets a line for each call.
    """
    _note(log, text)
    return float(_load(str(weights))[np.frombuffer(text.encode(), np.uint8)].mean())


@functools.cache
def _load(path: str) -> np.ndarray:
    loaded: np.ndarray = np.load(path, allow_pickle=False)
    return loaded


@operator(name="proof.volatile", outputs={"length": pa.int64()})
def volatile(text: str) -> int:
    """Letters of the text; the first word of some texts says what happens instead."""
    match text.split(" ", 1)[0]:
        case "CORRUPT":
            raise InvalidInput("is corrupt")
        case "SEGFAULT":
            ctypes.string_at(0)
        case "HANG":
            time.sleep(3600)
    return len(text)


@operator(name="proof.volatile_free", outputs={"length": pa.int64()}, gil_free=True)
def volatile_free(text: str) -> int:
    """As `proof.volatile`, in threads that share a process."""
    return volatile(text)
