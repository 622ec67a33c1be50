"""Hugging Face datasets: Arrow files, by row in a global shuffle, or as a stream with a buffer."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import datasets
import torch.utils.data
from torchdata.stateful_dataloader import StatefulDataLoader

from benchmarks.streaming.contestants.contestant import Contestant
from benchmarks.streaming.workload import BATCH_SIZE, Workload, decode, decoded

__all__ = ["HuggingFaceRows", "HuggingFaceStream"]

_BUFFER_SAMPLES = 2_000
_NUM_SHARDS = 8


def _samples(workload: Workload) -> Iterator[dict[str, Any]]:
    yield from workload.with_images()


def _decoded_rows(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {**rows, "image": [decode(data) for data in rows["image"]]}


class HuggingFaceRows(Contestant):
    environment = "huggingface"
    format = "huggingface"
    mixing = "global"

    def write(self) -> None:
        datasets.disable_progress_bars()
        features = datasets.Features(
            {
                "image": datasets.Value("large_binary"), "label": datasets.Value("int64"),
                "text": datasets.Value("string"), "key": datasets.Value("string"),
            }
        )  # fmt: skip
        scratch = f"{self.folder}-scratch"
        made = datasets.Dataset.from_generator(partial(_samples, self.workload), features=features, cache_dir=scratch)
        made.save_to_disk(str(self.folder), max_shard_size="64MB")
        shutil.rmtree(scratch)

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        data = datasets.load_from_disk(str(self.folder))
        return torch.utils.data.DataLoader(
            data.with_transform(_decoded_rows) if is_decoded else data, batch_size=BATCH_SIZE, shuffle=True,
            num_workers=num_workers, collate_fn=self.collate(is_decoded=is_decoded),
        )  # fmt: skip

    def reader(self) -> Callable[[int], Mapping[str, Any]]:
        read: Callable[[int], Mapping[str, Any]] = datasets.load_from_disk(str(self.folder)).__getitem__
        return read


class HuggingFaceStream(HuggingFaceRows):
    mixing = f"{_NUM_SHARDS} shards, then a buffer of {_BUFFER_SAMPLES:,}"

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        datasets.disable_progress_bars()
        stream = datasets.load_from_disk(str(self.folder)).to_iterable_dataset(num_shards=_NUM_SHARDS)
        stream = stream.shuffle(seed=1, buffer_size=_BUFFER_SAMPLES)
        return StatefulDataLoader(
            stream.map(decoded) if is_decoded else stream, batch_size=BATCH_SIZE, num_workers=num_workers,
            collate_fn=self.collate(is_decoded=is_decoded),
        )  # fmt: skip

    def state(self, loader: Any, batches: Iterator[Any]) -> Any:
        return loader.state_dict()

    def resumed(self, loader: Any, state: Any) -> Iterator[Any]:
        loader.load_state_dict(state)
        return iter(loader)
