"""Grain: ArrayRecord files, global shuffle, by its two loaders."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import grain.python as grain
from array_record.python import array_record_module

from benchmarks.streaming.contestants.contestant import Contestant
from benchmarks.streaming.workload import BATCH_SIZE, SHARD_BYTES, collate, decoded

__all__ = ["GrainDatasets", "GrainRecords"]


class _Parse(grain.MapTransform):  # type: ignore[misc]
    def __init__(self, *, is_decoded: bool) -> None:
        self.is_decoded = is_decoded

    def map(self, record: bytes) -> dict[str, Any]:
        return _sample(record, is_decoded=self.is_decoded)


def _sample(record: bytes, *, is_decoded: bool) -> dict[str, Any]:
    sample: dict[str, Any] = pickle.loads(record)
    return decoded(sample) if is_decoded else sample


class GrainRecords(Contestant):
    """The DataLoader."""

    environment = "grain"
    format = "grain"
    mixing = "global"

    def write(self) -> None:
        sink, num_bytes, number = None, 0, 0
        for sample in self.workload.with_images():
            if sink is None or num_bytes > SHARD_BYTES:
                if sink is not None:
                    sink.close()
                path = f"{self.folder}/{number:05d}.arrayrecord"
                sink = array_record_module.ArrayRecordWriter(path, "group_size:1,uncompressed")
                number, num_bytes = number + 1, 0
            record = pickle.dumps(sample)
            num_bytes += len(record)
            sink.write(record)
        if sink is not None:
            sink.close()

    def _source(self) -> Any:
        return grain.ArrayRecordDataSource(self.shards("*.arrayrecord"))

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        source = self._source()
        return grain.DataLoader(
            data_source=source,
            sampler=grain.IndexSampler(
                len(source), shuffle=True, seed=1, num_epochs=1, shard_options=grain.NoSharding()
            ),
            operations=[
                _Parse(is_decoded=is_decoded),
                grain.Batch(BATCH_SIZE, drop_remainder=False, batch_fn=partial(collate, is_decoded=is_decoded)),
            ],
            worker_count=num_workers,
        )

    def reader(self) -> Callable[[int], Mapping[str, Any]]:
        source = self._source()
        return lambda row: _sample(source[row], is_decoded=False)

    def state(self, loader: Any, batches: Iterator[Any]) -> Any:
        return batches.get_state()  # type: ignore[attr-defined]

    def resumed(self, loader: Any, state: Any) -> Iterator[Any]:
        batches: Iterator[Any] = iter(loader)
        batches.set_state(state)  # type: ignore[attr-defined]
        return batches


class GrainDatasets(GrainRecords):
    """MapDataset with worker processes."""

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        samples = grain.MapDataset.source(self._source()).shuffle(seed=1).map(partial(_sample, is_decoded=is_decoded))
        stream = samples.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=128))
        stream = stream.batch(BATCH_SIZE, batch_fn=partial(collate, is_decoded=is_decoded))
        return stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=num_workers)) if num_workers else stream
