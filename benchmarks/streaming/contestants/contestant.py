"""What the tasks ask of a peer; each peer is one file beside this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.streaming.workload import Workload, collate

__all__ = ["Contestant", "NotOffered"]


class NotOffered(Exception):
    """The peer has no such thing; the message says what it says."""


class Contestant:
    """One peer over one workload. A new object for each task: nothing is carried over.

    Attributes:
        environment: Where it runs, of `environments.toml`.
        format: Folder of its own format below the workload's; variants of a peer share one.
        mixing: How it shuffles, in words.
    """

    environment = "files"
    format = "files"
    mixing = ""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.folder = workload.folder / self.format

    def write(self) -> None:
        """Make the format; `folder` is there and empty."""

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        """Something that gives shuffled batches when it is iterated."""
        raise NotOffered("no shuffled epoch")

    def batches(self, loader: Iterable[Any]) -> Iterator[Any]:
        """One epoch, or an endless one."""
        return iter(loader)

    def keys(self, batch: Any) -> list[str]:
        """Of the samples of a batch."""
        return list(batch["key"])

    def reader(self) -> Callable[[int], Mapping[str, Any]]:
        """The sample of a row, with its bytes."""
        raise NotOffered("no access by row")

    def state(self, loader: Any, batches: Iterator[Any]) -> Any:
        """Where the consumer is."""
        raise NotOffered("no state")

    def resumed(self, loader: Any, state: Any) -> Iterator[Any]:
        """The rest of the epoch, by a loader that is new."""
        raise NotOffered("no state")

    def statistics(self, loader: Any) -> Mapping[str, Any] | None:
        """What the loader says about itself."""
        return None

    def close(self, loader: Any) -> None:
        """Let go of workers."""

    @staticmethod
    def collate(*, is_decoded: bool) -> Callable[[Any], dict[str, Any]]:
        """The collate function, as worker processes can take it."""
        return partial(collate, is_decoded=is_decoded)

    def shards(self, pattern: str) -> list[str]:
        """Files of the format, sorted."""
        return sorted(str(path) for path in Path(self.folder).glob(pattern))
