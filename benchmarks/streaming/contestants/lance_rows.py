"""Lance: rows taken by number, in a global shuffle, by torch's DataLoader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import lance
import pyarrow as pa
from lance.torch.data import SafeLanceDataset, get_safe_loader

from benchmarks.streaming.contestants.contestant import Contestant
from benchmarks.streaming.workload import BATCH_SIZE, decoded

__all__ = ["LanceRows"]

_SCHEMA = pa.schema([("image", pa.large_binary()), ("label", pa.int64()), ("text", pa.string()), ("key", pa.string())])
_BATCH_ROWS = 1_024
_FILE_ROWS = 2_800  # about 64 MB


class _Rows(SafeLanceDataset):
    is_decoded = False

    def __getitems__(self, rows: list[int]) -> list[Any]:
        samples = super().__getitems__(rows)  # type: ignore[no-untyped-call]
        return [decoded(sample) for sample in samples] if self.is_decoded else list(samples)


class LanceRows(Contestant):
    environment = "lance"
    format = "lance"
    mixing = "global"

    def write(self) -> None:
        reader = pa.RecordBatchReader.from_batches(_SCHEMA, self._record_batches())
        lance.write_dataset(reader, str(self.folder), mode="overwrite", max_rows_per_file=_FILE_ROWS)

    def _record_batches(self) -> Iterator[pa.RecordBatch]:
        rows: list[dict[str, Any]] = []
        for sample in self.workload.with_images():
            rows.append(sample)
            if len(rows) == _BATCH_ROWS:
                yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)
                rows = []
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)

    def loader(self, *, num_workers: int, is_decoded: bool) -> Any:
        data = _Rows(str(self.folder))  # type: ignore[no-untyped-call]
        data.is_decoded = is_decoded
        return get_safe_loader(  # type: ignore[no-untyped-call]
            data, batch_size=BATCH_SIZE, shuffle=True, num_workers=num_workers,
            collate_fn=self.collate(is_decoded=is_decoded),
        )  # fmt: skip

    def reader(self) -> Callable[[int], Mapping[str, Any]]:
        data = lance.dataset(str(self.folder))
        return lambda row: dict(data.take([row]).to_pylist()[0])
