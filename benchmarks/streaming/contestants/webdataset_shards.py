"""WebDataset: tar shards read in sequence, mixed in a buffer."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import webdataset

from benchmarks.streaming.contestants.contestant import Contestant
from benchmarks.streaming.workload import BATCH_SIZE, SHARD_BYTES, decode

__all__ = ["WebDatasetShards"]

_BUFFER_SAMPLES = 2_000


class WebDatasetShards(Contestant):
    format = "webdataset"
    mixing = f"shards, then a buffer of {_BUFFER_SAMPLES:,}"

    def write(self) -> None:
        with webdataset.ShardWriter(f"{self.folder}/%05d.tar", maxsize=SHARD_BYTES, maxcount=10**9, verbose=0) as sink:
            for sample in self.workload.with_images():
                fields = json.dumps({"label": sample["label"], "text": sample["text"]}).encode()
                sink.write({"__key__": sample["key"], "jpg": sample["image"], "json": fields})

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        stream = (
            webdataset.WebDataset(
                self.shards("*.tar"), shardshuffle=100, seed=1, detshuffle=True, nodesplitter=webdataset.split_by_node,
                empty_check=False,
            )
            .shuffle(_BUFFER_SAMPLES)
            .map(partial(_sample, is_decoded=is_decoded))
            .batched(BATCH_SIZE, collation_fn=self.collate(is_decoded=is_decoded))
        )  # fmt: skip
        return webdataset.WebLoader(stream, batch_size=None, num_workers=num_workers)


def _sample(entry: dict[str, Any], *, is_decoded: bool) -> dict[str, Any]:
    image = decode(entry["jpg"]) if is_decoded else entry["jpg"]
    return {"key": entry["__key__"], "image": image, **json.loads(entry["json"])}
