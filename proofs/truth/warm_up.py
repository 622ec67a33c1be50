"""Imports that every case needs, made once before the workers are forked."""

from __future__ import annotations

__all__ = ["warm_up"]


def warm_up() -> None:
    """Import them; starts no thread."""
    import proofs.truth.pictures  # noqa: F401  # the imports are what it is for
