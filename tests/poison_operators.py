"""Operators that misbehave on chosen rows; worker processes import them from here."""

from __future__ import annotations

import ctypes
import os
import time

import pyarrow as pa

from headrace.curation import Drop, operator
from headrace.errors import InvalidInput


@operator(name="test.poison", outputs={"length": pa.int64()})
def poison(text: str, *, log: str = "") -> int | Drop:
    """Length of the text; what the text says happens first.

    Args:
        log: File that gets a line for each call.
    """
    if log:
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{text}\n")
    match text.split("-")[0]:
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(3600)
        case "bad":
            raise InvalidInput("is bad")
        case "bug":
            raise ZeroDivisionError("by zero")
        case "short":
            return Drop("too short", len(text), 100)
        case "eat":
            held = bytearray(1 << 30)
            held[::4096] = b"x" * len(held[::4096])
            time.sleep(5)
    return len(text)


@operator(name="test.upper", outputs={"upper": pa.string()}, batch=True)
def upper(text: pa.Array) -> pa.Array:
    """The text in capitals; a batch with "bad" in it fails."""
    if any(value is not None and value.startswith("bad") for value in text.to_pylist()):
        raise InvalidInput("holds something bad")
    return pa.array([None if value is None else value.upper() for value in text.to_pylist()])


@operator(name="test.shared", outputs={"length": pa.int64()}, gil_free=True)
def shared(text: str, *, log: str = "", pause: float = 0.0) -> int | Drop:
    """As `test.poison`, in threads that share a process.

    Args:
        log: File that gets a line for each call.
        pause: Seconds that each call takes at least.
    """
    time.sleep(pause)
    return poison(text, log=log)


@operator(name="test.stuck", outputs={"length": pa.int64()}, gil_free=True)
def stuck(text: str) -> int:
    """Length of the text; where it says so the call hangs with Python's lock, so that no other thread goes on."""
    time.sleep(0.005)
    if text.startswith("hang"):
        ctypes.PyDLL(None).sleep(3600)
    return len(text)
