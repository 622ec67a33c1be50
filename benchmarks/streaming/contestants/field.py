"""Who takes part, where the code of each lies, and what is said of them in the table."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.streaming.contestants.contestant import Contestant
from benchmarks.streaming.workload import Workload

__all__ = ["FIELD", "FILES", "OURS", "OURS_BESIDE", "Entry", "open_contestant"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table. The module is imported in the contestant's own environment only."""

    name: str
    environment: str
    module: str
    kind: str  # class in the module
    format: str

    @property
    def is_ours(self) -> bool:
        """Whether it is Headrace."""
        return self.environment == "headrace"


OURS = "headrace, threads"
OURS_BESIDE = "headrace, subprocess"
FILES = "torch, plain files"

FIELD = (
    Entry(OURS, "headrace", "headrace_snapshot", "HeadraceThreads", "headrace"),
    Entry(OURS_BESIDE, "headrace", "headrace_snapshot", "HeadraceSubprocess", "headrace"),
    Entry(FILES, "files", "plain_files", "PlainFiles", "files"),
    Entry("webdataset", "files", "webdataset_shards", "WebDatasetShards", "webdataset"),
    Entry("mosaicml-streaming", "mosaic", "mosaic_shards", "MosaicShards", "mosaic"),
    Entry("litdata", "litdata", "litdata_chunks", "LitdataChunks", "litdata"),
    Entry("HF datasets, by row", "huggingface", "huggingface_arrow", "HuggingFaceRows", "huggingface"),
    Entry("HF datasets, stream", "huggingface", "huggingface_arrow", "HuggingFaceStream", "huggingface"),
    Entry("lance", "lance", "lance_rows", "LanceRows", "lance"),
    Entry("grain, DataLoader", "grain", "grain_records", "GrainRecords", "grain"),
    Entry("grain, MapDataset", "grain", "grain_records", "GrainDatasets", "grain"),
    Entry("energon", "energon", "energon_shards", "EnergonShards", "energon"),
)


def open_contestant(name: str, folder: Path) -> Contestant:
    """The contestant of that name over the workload in `folder`; imports its libraries."""
    entry = next(entry for entry in FIELD if entry.name == name)
    module = importlib.import_module(f"benchmarks.streaming.contestants.{entry.module}")
    kind: type[Contestant] = getattr(module, entry.kind)
    return kind(Workload(folder))
