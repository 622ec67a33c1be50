"""Torch's own loaders over a stream, exact and resumable; ranks from the environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headrace.errors import InvalidInput
from headrace.streaming import DataLoader, ShuffleOptions, StreamingDataset
from proofs.order.virtual_rows import VirtualRows

torch_data = pytest.importorskip("torch.utils.data", reason="torch is not installed")

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*suggested max number of worker:UserWarning"),
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),  # by torchdata 0.11 itself
]

NUM_ROWS = 203
BATCH_SIZE = 16


def _data(**options: Any) -> StreamingDataset:
    shuffle = ShuffleOptions(seed=5, mode="block", block_rows=8, window_blocks=2)
    return StreamingDataset(VirtualRows(NUM_ROWS), shuffle=shuffle, **{"batch_size": BATCH_SIZE, **options})


def _ids(batches: Iterator[Any] | Any) -> list[list[int]]:
    return [[int(row) for row in batch["id"]] for batch in batches]


@pytest.fixture(scope="module")
def expected() -> list[list[int]]:
    """Two epochs by our own loader."""
    with DataLoader(_data(batch_size=None), batch_size=BATCH_SIZE, num_workers=0) as loader:
        return _ids(loader) + _ids(loader)


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_torch_loader_gives_the_batches_of_ours(workers: int, expected: list[list[int]]) -> None:
    data = _data()
    half = len(expected) // 2
    loader = torch_data.DataLoader(data, batch_size=None, num_workers=workers)
    assert _ids(loader) == expected[:half]
    data.set_epoch(1)
    assert _ids(loader) == expected[half:]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("resumed_workers", [0, 3])
def test_torch_loader_goes_on_after_any_batch(workers: int, resumed_workers: int, expected: list[list[int]]) -> None:
    half = len(expected) // 2
    for stop in (1, 6, half - 1, half):
        loader = iter(torch_data.DataLoader(_data(), batch_size=None, num_workers=workers))
        for _ in range(stop):
            batch = next(loader)
        del loader
        data = _data()
        data.load_state_dict(batch.state_dict())
        resumed = torch_data.DataLoader(data, batch_size=None, num_workers=resumed_workers)
        rest = expected[stop:half] if stop < half else expected[half:]
        assert _ids(resumed) == rest


def test_our_loader_goes_on_from_a_batch_of_torch_s(expected: list[list[int]]) -> None:
    loader = iter(torch_data.DataLoader(_data(), batch_size=None, num_workers=2))
    for _ in range(4):
        batch = next(loader)
    with DataLoader(_data(batch_size=None), global_batch_size=7, num_workers=1, workers="threads") as ours:
        ours.load_state_dict(batch.state_dict())
        rest = [row for ids in _ids(ours) for row in ids]
    assert rest == [row for ids in expected[4 : len(expected) // 2] for row in ids]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_stateful_loader_resumes_with_the_same_workers(workers: int, expected: list[list[int]]) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")
    half = len(expected) // 2
    for stop in (1, 4, 7, half - 2, half - 1):
        loader = stateful.StatefulDataLoader(_data(), batch_size=None, num_workers=workers)
        batches = iter(loader)
        for _ in range(stop):
            next(batches)
        state = loader.state_dict()
        del batches, loader
        resumed = stateful.StatefulDataLoader(_data(), batch_size=None, num_workers=workers)
        resumed.load_state_dict(state)
        assert _ids(resumed) == expected[stop:half], f"after {stop} batches"


@pytest.mark.parametrize("workers", [0, 2])
def test_stateful_loader_goes_through_its_epochs(workers: int, expected: list[list[int]]) -> None:
    stateful = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")
    half = len(expected) // 2
    data = _data()
    loader = stateful.StatefulDataLoader(data, batch_size=None, num_workers=workers)
    assert _ids(loader) == expected[:half]
    data.set_epoch(1)
    assert _ids(loader) == expected[half:]


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_s_own_batching_has_each_sample_once(workers: int) -> None:
    data = _data(batch_size=None)
    loader = torch_data.DataLoader(data, batch_size=10, num_workers=workers)
    rows = [row for ids in _ids(loader) for row in ids]
    assert sorted(rows) == list(range(NUM_ROWS))
    assert rows != list(range(NUM_ROWS))
    with pytest.raises(InvalidInput, match="batch_size=None"):
        data.state_dict()
    with pytest.raises(InvalidInput, match="batch_size=None"):
        data.load_state_dict({})


def test_torch_s_own_batching_of_ranks_has_each_sample_once() -> None:
    rows: list[int] = []
    for rank in range(3):
        data = _data(batch_size=None, rank=rank, world_size=3)
        rows += [row for ids in _ids(torch_data.DataLoader(data, batch_size=10, num_workers=0)) for row in ids]
    assert sorted(rows) == list(range(NUM_ROWS))


@pytest.mark.parametrize("names", [("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")])
def test_ranks_come_from_the_launcher(names: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    rows: list[int] = []
    for rank in range(3):
        monkeypatch.setenv(names[0], str(rank))
        monkeypatch.setenv(names[1], "3")
        with DataLoader(_data(batch_size=None), batch_size=BATCH_SIZE, num_workers=0) as loader:
            steps = list(loader)
        assert len(steps) == -(-NUM_ROWS // 48)
        rows += [int(row) for batch in steps for row in batch["id"][~torch_mask(batch.padding)]]
    assert sorted(rows) == list(range(NUM_ROWS))


def torch_mask(padding: Any) -> Any:
    """The marks as torch takes them."""
    import torch

    return torch.from_numpy(padding)


def test_ranks_of_one_tensor_parallel_group_get_the_same_batch() -> None:
    def ids(data_rank: int) -> list[list[int]]:
        with DataLoader(_data(batch_size=None), batch_size=BATCH_SIZE, num_workers=0, mesh=(data_rank, 2)) as loader:
            return _ids(loader)

    assert ids(0) == ids(0)
    assert ids(0) != ids(1)


def test_a_state_of_another_seed_is_refused() -> None:
    """The order would follow the state, weights and random transforms the dataset."""
    with DataLoader(_data(batch_size=None), batch_size=BATCH_SIZE, num_workers=0) as loader:
        state = loader.state_dict()
    other = StreamingDataset(VirtualRows(NUM_ROWS), shuffle=ShuffleOptions(seed=6))
    with DataLoader(other, batch_size=BATCH_SIZE, num_workers=0) as loader, pytest.raises(InvalidInput, match="seed 5"):
        loader.load_state_dict(state)


def test_later_epochs_keep_the_order_of_the_state(expected: list[list[int]]) -> None:
    """A state that goes to another place, where "auto" means another mode, gives the same epochs there."""
    with DataLoader(_data(batch_size=None), batch_size=BATCH_SIZE, num_workers=0) as loader:
        state = loader.state_dict()
    other = StreamingDataset(VirtualRows(NUM_ROWS, is_local=True), shuffle=ShuffleOptions(seed=5))
    with DataLoader(other, batch_size=BATCH_SIZE, num_workers=0) as loader:
        loader.load_state_dict(state)
        assert _ids(loader) + _ids(loader) == expected
