"""Ours: a snapshot of a lake, global shuffle, with threads in the trainer or in a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import pyarrow as pa

import headrace
from benchmarks.streaming.contestants.contestant import Contestant
from benchmarks.streaming.workload import BATCH_SIZE, SIDE
from headrace.streaming import DataLoader, StreamingDataset
from headrace.streaming.transforms import image_pipeline

__all__ = ["HeadraceSubprocess", "HeadraceThreads"]

_SCHEMA = pa.schema([("key", pa.string()), ("label", pa.int64()), ("text", pa.string()), ("image", pa.large_binary())])
_BATCH_ROWS = 512


class HeadraceThreads(Contestant):
    environment = "headrace"
    format = "headrace"
    mixing = "global"
    workers: Literal["threads", "subprocess"] = "threads"

    def write(self) -> None:
        lake = headrace.connect(str(self.folder))
        lake.create_dataset(
            "photos", type="IMAGE_TEXT", source=pa.RecordBatchReader.from_batches(_SCHEMA, self._record_batches())
        )

    def _record_batches(self) -> Iterator[pa.RecordBatch]:
        rows: list[dict[str, Any]] = []
        for sample in self.workload.with_images():
            rows.append(sample)
            if len(rows) == _BATCH_ROWS:
                yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)

    def _dataset(self, *, is_decoded: bool) -> StreamingDataset:
        snapshot = headrace.connect(str(self.folder)).dataset("photos").snapshot()
        transforms = image_pipeline("image", resolution=SIDE, channels="last") if is_decoded else []
        return StreamingDataset(snapshot, columns=["key", "label", "text", "image"], transforms=transforms)

    def loader(self, *, num_workers: int, is_decoded: bool) -> DataLoader:
        return DataLoader(
            self._dataset(is_decoded=is_decoded), batch_size=BATCH_SIZE, num_workers=num_workers, workers=self.workers
        )

    def reader(self) -> Callable[[int], Mapping[str, Any]]:
        return self._dataset(is_decoded=False).__getitem__

    def state(self, loader: DataLoader, batches: Iterator[Any]) -> Any:
        return loader.state_dict()

    def resumed(self, loader: DataLoader, state: Any) -> Iterator[Any]:
        loader.load_state_dict(state)
        return iter(loader)

    def statistics(self, loader: DataLoader) -> Mapping[str, Any]:
        return loader.statistics().to_json()

    def close(self, loader: DataLoader) -> None:
        loader.close()


class HeadraceSubprocess(HeadraceThreads):
    workers = "subprocess"
