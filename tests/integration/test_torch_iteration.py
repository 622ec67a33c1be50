"""torch's DataLoader over a dataset: epochs, states and ranks with workers that are kept, started anew or spawned."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from headrace.errors import InvalidInput
from headrace.streaming import StreamingDataset
from tests.stream_lakes import numbers_of, small_dataset

torch_data = pytest.importorskip("torch.utils.data", reason="torch is not installed")

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*suggested max number of worker:UserWarning"),
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),  # by torchdata 0.11 itself
]

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


def _as_rank(rank: int, data: StreamingDataset, folder: str, num_workers: int) -> None:
    """A trainer that `torch.multiprocessing.spawn` starts."""
    os.environ.update(RANK=str(rank), WORLD_SIZE="2")
    options = {"multiprocessing_context": "fork"} if num_workers else {}  # spawn would be what this process has
    loader = torch_data.DataLoader(data, batch_size=None, num_workers=num_workers, **options)
    epochs = [[numbers_of(batch) for batch in loader] for _ in range(2)]
    Path(folder, f"{rank}.json").write_text(json.dumps(epochs))


@pytest.mark.parametrize(("num_workers", "is_used_before"), [(0, True), (2, False)])
def test_spawned_trainers_have_ranks_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_workers: int, is_used_before: bool
) -> None:
    """The dataset is handed over by a process that has no rank."""
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    data = StreamingDataset(small_dataset(tmp_path).snapshot(), batch_size=16)
    if is_used_before:
        data.set_epoch(0)
        assert data.state_dict()["segments"][-1]["to"] == 0
    torch_multiprocessing = pytest.importorskip("torch.multiprocessing")
    torch_multiprocessing.spawn(_as_rank, args=(data, str(tmp_path), num_workers), nprocs=2)
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    for epoch in range(2):
        assert sorted(n for rank in ranks for batch in rank[epoch] for n in batch) == list(range(407))
    assert ranks[0][0] != ranks[0][1]


WORKERS: list[dict[str, Any]] = [
    {"num_workers": 0},
    {"num_workers": 1},
    {"num_workers": 2},
    {"num_workers": 3},
    {"num_workers": 2, "persistent_workers": True},
]
SPAWNED = {"num_workers": 1, "multiprocessing_context": "spawn"}


def _order(loader: Any) -> list[tuple[int, int]]:
    return [(batch.epoch, batch.step) for batch in loader]


def _whole(epoch: int) -> list[tuple[int, int]]:
    return [(epoch, step) for step in range(NUM_STEPS)]


@pytest.mark.parametrize("options", WORKERS, ids=str)
def test_epochs_advance_by_themselves_and_go_where_they_are_sent(tmp_path: Path, options: dict[str, Any]) -> None:
    data = StreamingDataset(small_dataset(tmp_path).snapshot(), batch_size=16)
    loader = torch_data.DataLoader(data, batch_size=None, **options)
    assert _order(loader) == _whole(0)
    assert _order(loader) == _whole(1)
    data.set_epoch(5)
    assert _order(loader) == _whole(5)
    assert _order(loader) == _whole(6)
    data.set_epoch(6)
    assert _order(loader) == _whole(6)


@pytest.mark.parametrize("options", [*WORKERS, SPAWNED], ids=str)
def test_epoch_after_a_resumed_one_is_the_next(tmp_path: Path, options: dict[str, Any]) -> None:
    snapshot = small_dataset(tmp_path).snapshot()
    earlier = torch_data.DataLoader(StreamingDataset(snapshot, batch_size=16), batch_size=None, num_workers=0)
    for batch in itertools.islice(earlier, 7):
        state = batch.state_dict()
    data = StreamingDataset(snapshot, batch_size=16)
    loader = torch_data.DataLoader(data, batch_size=None, **options)
    for _ in range(1 if options is SPAWNED else 2):
        data.load_state_dict(state)
        assert data.state_dict() == state
        data.set_epoch(0)  # the stream stands in it
        assert _order(loader) == _whole(0)[7:]
        assert _order(loader) == _whole(1)


@pytest.mark.parametrize("options", WORKERS, ids=str)
def test_single_samples_have_another_order_in_each_epoch(tmp_path: Path, options: dict[str, Any]) -> None:
    data = StreamingDataset(small_dataset(tmp_path).snapshot(), columns=["n"])
    loader = torch_data.DataLoader(data, batch_size=16, **options)
    epochs = [[int(n) for batch in loader for n in batch["n"]] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(407))
    assert epochs[0] != epochs[1]
    data.set_epoch(0)
    assert [int(n) for batch in loader for n in batch["n"]] == epochs[0]


@pytest.mark.parametrize("options", WORKERS[1:4], ids=str)
def test_iteration_that_workers_left_is_followed_by_the_next_epoch(tmp_path: Path, options: dict[str, Any]) -> None:
    """Whether workers are kept or started anew: they ran ahead of what was taken."""
    import torch

    data = StreamingDataset(small_dataset(tmp_path).snapshot(), batch_size=16)
    loader = torch_data.DataLoader(data, batch_size=None, **options)
    for epoch in range(3):
        torch.manual_seed(1)  # so that torch cannot tell the iterations apart
        assert [(batch.epoch, batch.step) for batch in itertools.islice(loader, 2)] == _whole(epoch)[:2]


def test_loaders_side_by_side_have_whole_epochs(tmp_path: Path) -> None:
    data = StreamingDataset(small_dataset(tmp_path).snapshot(), batch_size=16)
    loader = torch_data.DataLoader(data, batch_size=None, num_workers=2)
    pairs = list(zip(loader, loader, strict=True))
    found = sorted([_order(batch for batch, _ in pairs), _order(batch for _, batch in pairs)])
    assert found == [_whole(0), _whole(1)]


@pytest.mark.parametrize("options", WORKERS[1:], ids=str)
def test_state_of_the_trainer_is_refused_while_workers_iterate(tmp_path: Path, options: dict[str, Any]) -> None:
    data = StreamingDataset(small_dataset(tmp_path).snapshot(), batch_size=16)
    loader = iter(torch_data.DataLoader(data, batch_size=None, **options))
    for _ in range(5):
        batch = next(loader)
    with pytest.raises(InvalidInput, match=r"batch\.state_dict\(\)"):
        data.state_dict()
    data.load_state_dict(batch.state_dict())
    assert data.state_dict() == batch.state_dict()


def test_workers_and_their_trainer_take_turns(tmp_path: Path) -> None:
    data = StreamingDataset(small_dataset(tmp_path).snapshot(), batch_size=16)
    alone = torch_data.DataLoader(data, batch_size=None, num_workers=0)
    together = torch_data.DataLoader(data, batch_size=None, num_workers=2)
    assert _order(itertools.islice(alone, 3)) == _whole(0)[:3]
    assert _order(together) == _whole(0)[3:], "fresh workers stand where their trainer stands"
    assert _order(alone) == _whole(1)
    assert data.state_dict()["segments"][-1]["epoch"] == 2
    assert _order(together) == _whole(2)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_stateful_loader_goes_on_after_two_interruptions_and_into_the_next_epoch(
    tmp_path: Path, num_workers: int
) -> None:
    torchdata = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")
    snapshot = small_dataset(tmp_path).snapshot()
    state: dict[str, Any] | None = None
    found: list[tuple[int, int]] = []
    for taken in (3, 0, 1, 4, 50):
        loader = torchdata.StatefulDataLoader(
            StreamingDataset(snapshot, batch_size=16), batch_size=None, num_workers=num_workers
        )
        if state is not None:
            loader.load_state_dict(state)
        batches = iter(loader)
        found += _order(itertools.islice(batches, taken))
        if taken < 50:
            state = json.loads(json.dumps(loader.state_dict()))
    assert found == _whole(0)
    assert _order(loader) == _whole(1)


def test_number_of_batches_is_that_of_a_rank(tmp_path: Path) -> None:
    snapshot = small_dataset(tmp_path).snapshot()
    for options in ({}, {"drop_last": True}, {"rank": 1, "world_size": 3}):
        data = StreamingDataset(snapshot, batch_size=16, **options)
        batches = list(torch_data.DataLoader(data, batch_size=None, num_workers=2))
        assert len(batches) == data.num_batches
    with pytest.raises(InvalidInput, match="batch_size"):
        StreamingDataset(snapshot).num_batches  # noqa: B018 - it raises
