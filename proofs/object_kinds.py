"""What kind of object a key names, as in docs/reference/lake-format.md."""

from __future__ import annotations

import re

__all__ = ["DERIVED_KINDS", "kind_of"]

_KINDS = (
    ("probe", re.compile(r"(?:.*/)?log/\.probe.*")),
    ("marker", re.compile(r"headrace\.json")),
    ("lake log", re.compile(r"log/.*")),
    ("lake page", re.compile(r"checkpoints/pages/.*")),
    ("lake checkpoint", re.compile(r"checkpoints/.*")),
    ("dataset log", re.compile(r"datasets/\w+/log/.*")),
    ("page", re.compile(r"datasets/\w+/checkpoints/pages/.*")),
    ("checkpoint", re.compile(r"datasets/\w+/checkpoints/.*")),
    ("part", re.compile(r"datasets/\w+/objects/.*\.parquet")),
    ("shard", re.compile(r"datasets/\w+/objects/.*\.tar")),
    ("row addresses", re.compile(r"datasets/\w+/objects/.*\.rows")),
    ("lease", re.compile(r"datasets/\w+/leases/.*")),
    ("document", re.compile(r"datasets/\w+/objects/.*\.json")),  # manifests, statistics, snapshots, runs
    ("view", re.compile(r"derived/views/.*")),
    ("chunk of a function", re.compile(r"derived/columns/.*")),
    ("index of a shard", re.compile(r"derived/adopt/.*")),
    ("half-written file", re.compile(r"\.tmp/.*")),
)

DERIVED_KINDS = frozenset({"checkpoint", "page", "lake checkpoint", "lake page"})
"""Can be rebuilt from the log: damage costs time and a warning, never an answer."""


def kind_of(key: str) -> str:
    """A name for reading; a key of no known kind has its suffix as its kind."""
    for kind, pattern in _KINDS:
        if pattern.fullmatch(key):
            return kind
    return f"other {key.rpartition('.')[2][:12]}" if "." in key.rpartition("/")[2] else "folder"
