"""Short times as people read them."""

from __future__ import annotations

from headrace.units import format_duration

__all__ = ["format_latency"]


def format_latency(seconds: float) -> str:
    """Two digits below a tenth of a second, where a lake's time is spent: "0.35 ms", "12 ms", "1.2 s"."""
    return f"{seconds * 1000:.2g} ms" if seconds < 0.0995 else format_duration(seconds)
