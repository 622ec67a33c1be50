"""torch's own DataLoader over one file a sample, as ImageFolder does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch.utils.data

from benchmarks.streaming.contestants.contestant import Contestant
from benchmarks.streaming.workload import BATCH_SIZE, Workload, decoded

__all__ = ["PlainFiles"]


class _Photos(torch.utils.data.Dataset[dict[str, Any]]):
    def __init__(self, workload: Workload, *, is_decoded: bool) -> None:
        self.samples = workload.samples()
        self.is_decoded = is_decoded

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> dict[str, Any]:
        sample = dict(self.samples[row])
        with open(sample["path"], "rb") as file:
            sample["image"] = file.read()
        return decoded(sample) if self.is_decoded else sample


class PlainFiles(Contestant):
    mixing = "global"

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        return torch.utils.data.DataLoader(
            _Photos(self.workload, is_decoded=is_decoded),
            batch_size=BATCH_SIZE,
            shuffle=True,
            num_workers=num_workers,
            collate_fn=self.collate(is_decoded=is_decoded),
        )

    def reader(self) -> Callable[[int], Mapping[str, Any]]:
        return _Photos(self.workload, is_decoded=False).__getitem__

    def write(self) -> None:
        Path(self.folder / "photos-lie-where-they-were-generated").touch()
