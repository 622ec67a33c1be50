"""What kind of object a key names, as in docs/reference/lake-format.md."""

from __future__ import annotations

import re

__all__ = ["DERIVED_KINDS", "kind_of"]

_KINDS = (
    ("probe", re.compile(r"(?:.*/)?log/\.probe.*")),
    ("marker", re.compile(r"headrace\.json")),
    ("lake log", re.compile(r"log/.*")),
    ("lake checkpoint", re.compile(r"checkpoints/\d+\.json")),
    ("lake segment", re.compile(r"checkpoints/segments/.*")),
    ("dataset log", re.compile(r"datasets/\w+/log/.*")),
    ("segment", re.compile(r"datasets/\w+/checkpoints/segments/.*")),
    ("checkpoint", re.compile(r"datasets/\w+/checkpoints/.*")),
    ("part", re.compile(r"datasets/\w+/objects/.*\.parquet")),
    ("shard", re.compile(r"datasets/\w+/objects/.*\.tar")),
    ("document", re.compile(r"datasets/\w+/objects/.*\.json")),  # manifests, statistics, snapshots, runs
)

DERIVED_KINDS = frozenset({"checkpoint", "segment", "lake checkpoint", "lake segment"})
"""Can be rebuilt from the log: damage costs time and a warning, never an answer."""


def kind_of(key: str) -> str:
    """A name for reading; a key of no known kind has its suffix as its kind."""
    for kind, pattern in _KINDS:
        if pattern.fullmatch(key):
            return kind
    return f"other {key.rpartition('.')[2][:12]}" if "." in key.rpartition("/")[2] else "folder"
