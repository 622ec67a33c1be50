"""mosaicml-streaming: MDS shards, py1e shuffle, elastic resume."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from typing import Any

# The package imports torchvision for classes that are not used here, and the registry's build of that is for CUDA:
# beside a torch without CUDA its import fails. So modules with the two names that are asked for stand in for it.
_NAMES: dict[str, dict[str, Any]] = {
    "torchvision": {},
    "torchvision.datasets": {"VisionDataset": object},
    "torchvision.transforms": {},
    "torchvision.transforms.functional": {"to_tensor": None},
}
for _module, _contents in _NAMES.items():
    sys.modules[_module] = module_from_spec(ModuleSpec(_module, None))
    vars(sys.modules[_module]).update(_contents)

import streaming  # noqa: E402 - after the stand-in
from streaming.base.util import clean_stale_shared_memory  # noqa: E402

from benchmarks.streaming.contestants.contestant import Contestant  # noqa: E402
from benchmarks.streaming.workload import BATCH_SIZE, decoded  # noqa: E402

__all__ = ["MosaicShards"]


class _Shards(streaming.StreamingDataset):  # type: ignore[misc]
    is_decoded = False

    def __getitem__(self, at: Any) -> Any:
        sample = super().__getitem__(at)
        return decoded(sample) if self.is_decoded else sample


class MosaicShards(Contestant):
    environment = "mosaic"
    format = "mosaic"
    mixing = "py1e: shards, then a moving block"

    def write(self) -> None:
        columns = {"image": "bytes", "label": "int", "text": "str", "key": "str"}
        with streaming.MDSWriter(out=str(self.folder), columns=columns, size_limit="64mb", exist_ok=True) as sink:
            for sample in self.workload.with_images():
                sink.write(sample)

    def _dataset(self, *, is_decoded: bool) -> Any:
        clean_stale_shared_memory()
        data = _Shards(
            local=str(self.folder), shuffle=True, batch_size=BATCH_SIZE, shuffle_seed=1, num_canonical_nodes=1
        )
        data.is_decoded = is_decoded
        return data

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        return streaming.StreamingDataLoader(
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
