"""torch's DataLoader over a dataset with `batch_size`: left early, kept workers, spawned workers with a rank."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from headrace.streaming import StreamingDataset
from tests.stream_lakes import numbers_of, small_dataset

torch_data = pytest.importorskip("torch.utils.data", reason="torch is not installed")

NUM_STEPS = 26  # 407 rows by 16


def test_iteration_that_is_left_goes_on_in_the_same_process(tmp_path: Path) -> None:
    data = StreamingDataset(small_dataset(tmp_path).snapshot(), batch_size=16)
    loader = torch_data.DataLoader(data, batch_size=None, num_workers=0)
    steps = [batch.step for batch in itertools.islice(loader, 3)] + [batch.step for batch in loader]
    assert steps == list(range(NUM_STEPS))


def test_kept_workers_that_are_left_early_start_the_next_epoch_together(tmp_path: Path) -> None:
    """Each stands elsewhere, so going on would repeat some batches and lose others."""
    data = StreamingDataset(small_dataset(tmp_path).snapshot(), batch_size=16)
    loader = torch_data.DataLoader(data, batch_size=None, num_workers=2, persistent_workers=True)
    assert [batch.step for batch in itertools.islice(loader, 3)] == [0, 1, 2]
    assert [(batch.epoch, batch.step) for batch in loader] == [(1, step) for step in range(NUM_STEPS)]


def test_spawned_worker_keeps_the_rank_of_its_trainer(tmp_path: Path) -> None:
    snapshot = small_dataset(tmp_path).snapshot()
    seen: list[int] = []
    for rank in range(2):
        data = StreamingDataset(snapshot, batch_size=16, rank=rank, world_size=2)
        loader = torch_data.DataLoader(data, batch_size=None, num_workers=1, multiprocessing_context="spawn")
        seen += [n for batch in loader for n in numbers_of(batch)]
    assert sorted(seen) == list(range(407))
