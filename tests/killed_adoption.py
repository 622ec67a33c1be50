"""A process that adopts files into a lake and is killed once some of them are indexed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["adopt_until_killed"]

_ADOPTION = """
import importlib, os, signal, sys
import headrace
from headrace.datasets import kept_indexes

lake, source, module, name, dataset_type, num_indexed = sys.argv[1:]
kept_indexes._WRITTEN_SECONDS = 0.0  # keep each index at once, so that the number is exact
indexer = getattr(importlib.import_module(module), name)
index = indexer.index
done = []

def counted(self, container):
    if len(done) >= int(num_indexed):
        os.kill(os.getpid(), signal.SIGKILL)
    found = index(self, container)
    done.append(container.uri)
    return found

indexer.index = counted
headrace.connect(lake).create_dataset("a", type=dataset_type, source=source, media="reference")
"""


def adopt_until_killed(indexer: type[Any], lake: Path, source: Path, *, type: str, num_indexed: int) -> None:
    """Create dataset "a" from the source in a child process, which is killed at the file after so many."""
    words = [str(lake), str(source), indexer.__module__, indexer.__name__, type, str(num_indexed)]
    child = subprocess.run([sys.executable, "-c", _ADOPTION, *words], check=False)
    assert child.returncode == -signal.SIGKILL
