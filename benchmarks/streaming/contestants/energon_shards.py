"""Megatron Energon: WebDataset shards that it indexes itself, mixed in a buffer; its loader never ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import megatron.energon as energon
import webdataset

from benchmarks.streaming.contestants.contestant import Contestant
from benchmarks.streaming.workload import BATCH_SIZE, SHARD_BYTES, collate, decoded

__all__ = ["EnergonShards"]

_BUFFER_SAMPLES = 2_000


@energon.stateless  # type: ignore[untyped-decorator]
def _cook(entry: dict[str, Any]) -> dict[str, Any]:
    fields = entry["json"]
    fields = json.loads(fields) if isinstance(fields, bytes | str) else fields
    key = entry["__key__"].rpartition("/")[2]
    return {**energon.basic_sample_keys(entry), "image": entry["jpg"], "key": key, **fields}


class _Encoder(energon.DefaultTaskEncoder):  # type: ignore[misc]
    cookers = [energon.Cooker(_cook)]  # noqa: RUF012 - the base class declares it so
    decoder = None

    def __init__(self, *, is_decoded: bool) -> None:
        super().__init__()
        self.is_decoded = is_decoded

    @energon.stateless  # type: ignore[untyped-decorator]
    def encode_sample(self, sample: dict[str, Any]) -> dict[str, Any]:
        return decoded(sample) if self.is_decoded else sample

    def batch(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        return collate(samples, is_decoded=self.is_decoded)

    def encode_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        return batch


class EnergonShards(Contestant):
    environment = "energon"
    format = "energon"
    mixing = f"shards, then a buffer of {_BUFFER_SAMPLES:,}"

    def write(self) -> None:
        with webdataset.ShardWriter(f"{self.folder}/%05d.tar", maxsize=SHARD_BYTES, maxcount=10**9, verbose=0) as sink:
            for sample in self.workload.with_images():
                fields = json.dumps({"label": sample["label"], "text": sample["text"]}).encode()
                sink.write({"__key__": sample["key"], "jpg": sample["image"], "json": fields})
        tool = Path(sys.executable).with_name("energon")
        options = ["--non-interactive", "--split-ratio", "1,0,0", "--sample-type", "CrudeWebdataset"]
        subprocess.run([sys.executable, tool, "prepare", str(self.folder), *options], check=True, capture_output=True)

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        data = energon.get_train_dataset(
            str(self.folder), worker_config=energon.WorkerConfig(rank=0, world_size=1, num_workers=num_workers),
            batch_size=BATCH_SIZE, shuffle_buffer_size=_BUFFER_SAMPLES, max_samples_per_sequence=100,
            task_encoder=_Encoder(is_decoded=is_decoded),
        )  # fmt: skip
        return energon.get_savable_loader(data)

    def state(self, loader: Any, batches: Iterator[Any]) -> Any:
        return loader.save_state_rank()

    def resumed(self, loader: Any, state: Any) -> Iterator[Any]:
        loader.restore_state_rank(state)
        return iter(loader)
