"""Random numbers of one sample: the same for (seed, epoch, sample) on any machine, worker and library version."""

from __future__ import annotations

from blake3 import blake3

__all__ = ["SampleRandom"]

_CHUNK = 64


class SampleRandom:
    """BLAKE3's output stream, keyed by the sample; computed only if a transform draws. Not thread-safe."""

    __slots__ = ("_bytes", "_hasher", "_place")

    def __init__(self, *, seed: int, epoch: int, key: str) -> None:
        self._hasher = blake3(f"headrace.sample.1/{seed}/{epoch}/{key}".encode())
        self._bytes = b""
        self._place = 0

    def bits(self) -> int:
        """64 random bits."""
        at = self._place % _CHUNK
        if at == 0:
            self._bytes = self._hasher.digest(length=_CHUNK, seek=self._place)
        self._place += 8
        return int.from_bytes(self._bytes[at : at + 8], "little")

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * ((self.bits() >> 11) * 2.0**-53)

    def integer(self, stop: int) -> int:
        """A whole number in 0 … stop - 1."""
        return (self.bits() * stop) >> 64
