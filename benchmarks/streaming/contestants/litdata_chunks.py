"""litdata: chunks of 64 MB, shuffled inside each chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import litdata

from benchmarks.streaming.contestants.contestant import Contestant
from benchmarks.streaming.workload import BATCH_SIZE, Workload, decoded

__all__ = ["LitdataChunks"]


class _Chunks(litdata.StreamingDataset):  # type: ignore[misc]
    is_decoded = False

    def __getitem__(self, index: Any) -> dict[str, Any]:
        sample = super().__getitem__(index)
        # litdata gives memory views, which cannot cross to the process that trains.
        return decoded(sample) if self.is_decoded else {**sample, "image": bytes(sample["image"])}


def _samples(_: int, *, workload: Workload) -> Iterator[dict[str, Any]]:
    yield from workload.with_images()


class LitdataChunks(Contestant):
    environment = "litdata"
    format = "litdata"
    mixing = "inside a chunk of 64 MB"

    def write(self) -> None:
        litdata.optimize(
            fn=partial(_samples, workload=self.workload), inputs=[0], output_dir=str(self.folder), chunk_bytes="64MB",
            num_workers=1, mode="overwrite",
        )  # fmt: skip

    def _dataset(self, *, is_decoded: bool) -> Any:
        data = _Chunks(str(self.folder), shuffle=True, seed=1)
        data.is_decoded = is_decoded
        return data

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        return litdata.StreamingDataLoader(
            self._dataset(is_decoded=is_decoded), batch_size=BATCH_SIZE, num_workers=num_workers,
            collate_fn=self.collate(is_decoded=is_decoded),
        )  # fmt: skip

    def reader(self) -> Callable[[int], Mapping[str, Any]]:
        read: Callable[[int], Mapping[str, Any]] = self._dataset(is_decoded=False).__getitem__
        return read

    def state(self, loader: Any, batches: Iterator[Any]) -> Any:
        return loader.state_dict()

    def resumed(self, loader: Any, state: Any) -> Iterator[Any]:
        loader.load_state_dict(state)
        return iter(loader)
