"""Headrace: from raw data to the training loop, with every sample traceable."""

from headrace.connecting import connect

__version__ = "0.1.0"

__all__ = ["__version__", "connect"]
