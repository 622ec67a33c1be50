"""The loader: the same batches wherever they are made, a state that is what was consumed, errors that end nothing."""

from __future__ import annotations

import gc
import itertools
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from headrace.datasets.dataset import Dataset
from headrace.errors import InvalidInput, Unavailable
from headrace.streaming import DataLoader, ShuffleOptions, StreamingDataset
from headrace.streaming.pages import PageFolder
from headrace.streaming.snapshot_rows import SnapshotRows
from tests.stream_lakes import (
    Counted,
    Noise,
    Reversed,
    WaitsOn13,
    dies_on_13,
    epoch_of,
    exits_on_13,
    fails_on_13,
    halved,
    keyed_dataset,
    keyed_rows,
    numbers_of,
    rows,
    sleeps_on_13,
    small_dataset,
    stream,
    with_tensor,
    with_unsendable_field,
)

ENGINES: list[dict[str, Any]] = [
    {"num_workers": 0},
    {"num_workers": 1, "workers": "threads"},
    {"num_workers": 3, "workers": "threads", "prefetch_batches": 1},
    {"num_workers": 2, "workers": "subprocess", "multiprocessing_context": "fork"},
    {"num_workers": 2, "workers": "processes", "multiprocessing_context": "fork"},
]
PROCESSES = ENGINES[3:]
BLOCKS = ShuffleOptions(seed=3, mode="block", block_rows=16, window_blocks=2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """407 rows in three commits; tests that change it make their own."""
    return small_dataset(tmp_path_factory.mktemp("lake"))


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_every_engine_gives_the_same_batches(dataset: Dataset, engine: dict[str, Any]) -> None:
    plain = DataLoader(stream(dataset, shuffle=BLOCKS, transforms=[halved, Noise()]), batch_size=48, num_workers=0)
    data = stream(dataset, shuffle=BLOCKS, transforms=[halved, Noise()])
    with DataLoader(data, batch_size=48, **engine) as loader:
        for _ in range(2):
            for expected, batch in zip(plain, loader, strict=True):
                assert batch.positions.tolist() == expected.positions.tolist()
                assert batch["_id"] == expected["_id"]
                assert batch["blob"] == expected["blob"]
                assert np.array_equal(batch["half"], expected["half"])
                assert np.array_equal(batch["noise"], expected["noise"])
                assert batch["noise"].shape == (len(batch["n"]), 3, 4)


@pytest.mark.parametrize("kind", ["subprocess", "processes"])
@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_every_start_method_gives_the_same_batches(dataset: Dataset, kind: Any, start: Any) -> None:
    whole = epoch_of(DataLoader(stream(dataset, transforms=[Noise()]), batch_size=48, num_workers=0))
    data = stream(dataset, transforms=[Noise()])
    with DataLoader(data, batch_size=48, num_workers=2, workers=kind, multiprocessing_context=start) as loader:
        assert epoch_of(loader) == whole


def test_epochs_hold_each_sample_once_in_another_order(dataset: Dataset) -> None:
    loader = DataLoader(stream(dataset), batch_size=48, num_workers=2)
    epochs = [[n for batch in loader for n in numbers_of(batch)] for _ in range(3)]
    assert all(sorted(epoch) == list(range(407)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    loader.set_epoch(1)
    assert [n for batch in loader for n in numbers_of(batch)] == epochs[1]


def test_other_seed_other_order(dataset: Dataset) -> None:
    orders = {
        tuple(n for batch in DataLoader(stream(dataset, shuffle=shuffle), batch_size=407, num_workers=0)
              for n in numbers_of(batch))
        for shuffle in (None, ShuffleOptions(seed=0), ShuffleOptions(seed=1), BLOCKS)
    }  # fmt: skip
    assert len(orders) == 4


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_state_in_the_body_counts_the_batch(dataset: Dataset, engine: dict[str, Any]) -> None:
    """Prefetched batches count for nothing: defect (b) of the reference loader."""
    whole = epoch_of(DataLoader(stream(dataset, shuffle=BLOCKS), batch_size=48, num_workers=0))
    with DataLoader(stream(dataset, shuffle=BLOCKS), batch_size=48, **engine) as loader:
        for step, batch in enumerate(loader):
            state = json.loads(json.dumps(loader.state_dict()))
            assert batch.state_dict() == state
            assert len(json.dumps(state)) < 4096
            if step in (0, 4, len(whole) - 1):
                resumed = DataLoader(stream(dataset, shuffle=BLOCKS), batch_size=48, num_workers=0)
                resumed.load_state_dict(state)
                rest = epoch_of(resumed)
                assert rest == whole[step + 1 :] if step + 1 < len(whole) else len(rest) == len(whole)


def test_state_at_the_end_is_the_next_epoch(dataset: Dataset) -> None:
    loader = DataLoader(stream(dataset), batch_size=48, num_workers=0)
    for _ in loader:
        pass
    segment = loader.state_dict()["segments"][-1]
    assert (segment["epoch"], segment["from"], segment["to"]) == (1, 0, 0)


def test_iteration_that_is_left_goes_on(dataset: Dataset) -> None:
    whole = epoch_of(DataLoader(stream(dataset), batch_size=48, num_workers=0))
    for engine in ENGINES:
        with DataLoader(stream(dataset), batch_size=48, **engine) as loader:
            seen = []
            for batch in loader:
                seen.append(numbers_of(batch))
                if len(seen) == 3:
                    break
            seen += [numbers_of(batch) for batch in loader]
        assert seen == [[n for _, n, _ in batch] for batch in whole]


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_two_iterations_at_once_are_refused(dataset: Dataset, engine: dict[str, Any]) -> None:
    whole = epoch_of(DataLoader(stream(dataset), batch_size=8, num_workers=0))
    with DataLoader(stream(dataset), batch_size=8, **engine) as loader:
        held = []
        for _ in range(4):
            held.append(iter(loader))
            next(held[-1])
        with pytest.raises(InvalidInput, match="newer one"):
            next(held[0])
        assert epoch_of(loader) == whole[4:]


def test_resume_with_another_global_batch(dataset: Dataset) -> None:
    loader = DataLoader(stream(dataset, shuffle=BLOCKS), batch_size=48, num_workers=2)
    seen = []
    for batch in loader:
        seen += numbers_of(batch)
        if len(seen) >= 144:
            break
    other = DataLoader(stream(dataset, shuffle=BLOCKS), global_batch_size=30, num_workers=0)
    other.load_state_dict(loader.state_dict())
    seen += [n for batch in other for n in numbers_of(batch)]
    assert sorted(seen) == list(range(407))


def test_resume_over_a_changed_dataset_holds_the_rest_once(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    data = stream(dataset, shuffle=BLOCKS)
    loader = DataLoader(data, batch_size=40, num_workers=2)
    seen: list[int] = []
    for _ in range(2):  # the dataset changes twice in one epoch
        for batch in loader:
            seen += numbers_of(batch)
            if len(seen) % 120 == 0:
                break
        state = loader.state_dict()
        dataset.delete_rows(where=f"n % 10 = {3 + len(seen) // 120}")
        dataset.commit(rows(1000 + len(seen), 20))
        loader = DataLoader(data, batch_size=40, num_workers=2)
        loader.load_state_dict(state, snapshot=dataset.snapshot())
        data = loader.data
    rest = [n for batch in loader for n in numbers_of(batch)]
    kept = {int(n) for n in dataset.snapshot().to_arrow(["n"]).column("n").to_pylist()}
    assert len(set(seen)) == len(seen)
    assert sorted(rest) == sorted(kept - set(seen))
    assert sorted(n for batch in loader for n in numbers_of(batch)) == sorted(kept), "the next epoch is a whole one"


def test_resume_where_keys_were_replaced_trains_no_key_twice(tmp_path: Path) -> None:
    """A sample is its key there: defect found in review, a replaced row has another address."""
    dataset = keyed_dataset(tmp_path, keys=range(300))
    data = stream(dataset, shuffle=BLOCKS)
    loader = DataLoader(data, batch_size=40, num_workers=0)
    seen: list[str] = []
    for change in (1, 2):  # the dataset changes twice in one epoch, so that two snapshots took rows
        for batch in itertools.islice(loader, 2):
            seen += batch["name"]
        state = loader.state_dict()
        dataset.commit(keyed_rows(range(100 * change, 100 * change + 120), value=change))
        dataset.delete_rows(where=f"name = 'key {290 + change}'")
        loader = DataLoader(data, batch_size=40, num_workers=0)
        loader.load_state_dict(state, snapshot=dataset.snapshot())
        data = loader.data
    rest = {name: int(value) for batch in loader for name, value in zip(batch["name"], batch["value"])}
    now = dataset.snapshot().to_arrow(["name", "value"]).to_pydict()
    kept = dict(zip(now["name"], now["value"]))
    assert len(set(seen)) == len(seen) == 160
    assert rest == {name: value for name, value in kept.items() if name not in seen}
    assert sorted(name for batch in loader for name in batch["name"]) == sorted(kept), "the next epoch is a whole one"


def test_resume_where_the_same_key_is_another_row_gives_both(tmp_path: Path) -> None:
    """By default the same key in two commits is two samples, and only addresses count."""
    dataset = keyed_dataset(tmp_path, keys=range(60), on_duplicate_key="keep")
    loader = DataLoader(stream(dataset), batch_size=20, num_workers=0)
    seen = next(iter(loader))["name"]
    dataset.commit(keyed_rows(range(60), value=1))
    loader.load_state_dict(loader.state_dict(), snapshot=dataset.snapshot())
    seen += [name for batch in loader for name in batch["name"]]
    assert sorted(seen) == sorted([f"key {number}" for number in range(60)] * 2)


def test_resume_between_epochs_over_changed_data_is_a_plain_epoch(tmp_path: Path) -> None:
    """Nothing was consumed, so the plan is the one of a fresh start, and its states load like all others."""
    dataset = small_dataset(tmp_path)
    loader = DataLoader(stream(dataset), batch_size=40, num_workers=0)
    list(loader)
    state = loader.state_dict()
    dataset.commit(rows(5000, 10))
    loader.load_state_dict(state, snapshot=dataset.snapshot())
    first = next(iter(loader))
    again = DataLoader(stream(dataset), batch_size=40, num_workers=0)
    again.load_state_dict(loader.state_dict())
    seen = numbers_of(first) + [n for batch in again for n in numbers_of(batch)]
    assert sorted(seen) == [*range(407), *range(5000, 5010)]


def test_rest_that_is_left_on_its_last_batch_is_followed_by_a_whole_epoch(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    loader = DataLoader(stream(dataset), batch_size=40, num_workers=0)
    for batch in itertools.islice(loader, 5):
        assert batch.epoch == 0
    dataset.commit(rows(5000, 10))
    loader.load_state_dict(loader.state_dict(), snapshot=dataset.snapshot())
    rest = [numbers_of(batch) for batch in itertools.islice(loader, 6)]
    assert sum(map(len, rest)) == 217
    assert sorted(n for batch in loader for n in numbers_of(batch)) == [*range(407), *range(5000, 5010)]


def test_many_changes_in_one_epoch_stay_fast_and_exact(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path)
    loader = DataLoader(stream(dataset), batch_size=10, num_workers=0)
    seen: list[int] = []
    for change in range(10):
        seen += numbers_of(next(iter(loader)))
        dataset.commit(rows(1000 + 10 * change, 3))
        loader.load_state_dict(loader.state_dict(), snapshot=dataset.snapshot())
    seen += [n for batch in loader for n in numbers_of(batch)]
    assert sorted(seen) == sorted([*range(407), *(1000 + 10 * change + n for change in range(10) for n in range(3))])


def test_load_that_fails_leaves_the_loader_where_it_was(tmp_path: Path, dataset: Dataset) -> None:
    loader = DataLoader(stream(dataset), batch_size=40, num_workers=0)
    next(iter(loader))
    state = loader.state_dict()
    damaged = json.loads(json.dumps(state))
    damaged["segments"][0]["to"] = 10**6
    with pytest.raises(InvalidInput, match="to is 1000000"):
        loader.load_state_dict(damaged, snapshot=small_dataset(tmp_path).snapshot())
    assert loader.state_dict() == state


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("to",), -5), (("to",), 1.5), (("to",), "5"), (("to",), True), (("from",), 41), (("epoch",), -1),
        (("order", "num_samples"), 7), (("order", "num_samples"), 5000), (("order", "mode"), "weird"),
        (("order", "lanes"), 10**9), (("order", "lanes"), 1.5), (("order", "window_blocks"), 10**18),
        (("snapshot",), None), (("plan",), "x" * 64),
    ],
    ids=str,
)  # fmt: skip
def test_damaged_state_is_refused(dataset: Dataset, place: tuple[str, ...], value: Any) -> None:
    loader = DataLoader(stream(dataset), batch_size=40, num_workers=0)
    next(iter(loader))
    state = json.loads(json.dumps(loader.state_dict()))
    target = state["segments"][0]
    for name in place[:-1]:
        target = target[name]
    target[place[-1]] = value
    with pytest.raises(InvalidInput):
        loader.load_state_dict(state)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_iteration_over_a_loader_that_was_closed_is_refused(dataset: Dataset, engine: dict[str, Any]) -> None:
    loader = DataLoader(stream(dataset), batch_size=8, **engine)
    held = iter(loader)
    next(held)
    loader.close()
    with pytest.raises(InvalidInput, match="closed"):
        next(held)
    assert len(list(loader)) == 50, "a new iteration goes on"
    loader.close()


@pytest.mark.parametrize("engine", PROCESSES, ids=str)
def test_field_that_cannot_be_sent_is_an_error(dataset: Dataset, engine: dict[str, Any]) -> None:
    with (
        DataLoader(stream(dataset, transforms=[with_unsendable_field]), batch_size=8, **engine) as loader,
        pytest.raises(InvalidInput, match="workers='threads'"),
    ):
        next(iter(loader))


def test_substitute_is_what_restore_keys_name(dataset: Dataset) -> None:
    data = stream(dataset, transforms=[fails_on_13], on_error="substitute")
    for batch in DataLoader(data, batch_size=48, num_workers=0):
        for key, number in zip(batch.restore_keys(), batch["n"]):
            assert data.restore(key)["n"] == number


def test_room_that_is_asked_for_twice_is_another(dataset: Dataset) -> None:
    data = stream(dataset, transforms=[Counted(), Reversed()], shuffle=None)
    (batch,) = DataLoader(data, batch_size=407, num_workers=0)
    assert np.asarray(batch["count"])[:3].tolist() == [data[idx]["count"].tolist() for idx in range(3)]


def test_tensors_of_transforms_are_stacked(dataset: Dataset) -> None:
    torch = pytest.importorskip("torch")
    for engine in ENGINES:
        with DataLoader(stream(dataset, transforms=[with_tensor]), batch_size=48, **engine) as loader:
            batch = next(iter(loader))
            assert isinstance(batch["tensor"], torch.Tensor)
            assert batch["tensor"].shape == (48, 2)


def test_state_of_other_data_is_refused_with_both_names(tmp_path: Path, dataset: Dataset) -> None:
    loader = DataLoader(stream(dataset, where="n > 5"), batch_size=48, num_workers=0)
    next(iter(loader))
    state = loader.state_dict()
    for other in (stream(dataset), stream(dataset, where="n > 6"), stream(small_dataset(tmp_path, commits=(9,)))):
        with pytest.raises(InvalidInput, match=r"the state is of plan \w{12} .* this dataset has plan \w{12}"):
            DataLoader(other, batch_size=4, num_workers=0).load_state_dict(state)


@pytest.mark.parametrize(
    "state", [{}, {"format": 1}, {"format": 2, "segments": []}, {"format": 1, "order_version": 1, "segments": [{}]}, 7]
)
def test_state_that_is_none_is_refused(dataset: Dataset, state: Any) -> None:
    with pytest.raises(InvalidInput):
        DataLoader(stream(dataset), batch_size=4).load_state_dict(state)


def test_repr_tells_the_order_of_the_state(dataset: Dataset) -> None:
    """A resumed stream goes on in the order that it began with."""
    loader = DataLoader(stream(dataset), batch_size=48, num_workers=0)
    next(iter(loader))
    resumed = DataLoader(stream(dataset, shuffle=ShuffleOptions(mode="block")), batch_size=48, num_workers=0)
    assert "not opened yet" in repr(resumed)
    resumed.load_state_dict(loader.state_dict())
    assert "order global, seed 0" in repr(resumed)
    assert "order global, seed 0" in resumed._repr_html_()
    assert "order block, seed 0" in repr(resumed.data), "what a new stream over it would have"


def test_ranks_take_equally_many_and_padding_is_marked(dataset: Dataset) -> None:
    for world in (2, 3, 8):
        loaders = [
            DataLoader(
                stream(dataset, shuffle=BLOCKS), global_batch_size=48, num_workers=0, rank=rank, world_size=world
            )
            for rank in range(world)
        ]
        ranks = [epoch_of(loader) for loader in loaders]
        assert {len(batches) for batches in ranks} == {len(loaders[0])} == {9}
        for step in range(9):
            assert len({len(batches[step]) for batches in ranks}) == 1
        taken = [n for batches in ranks for batch in batches for _, n, is_padding in batch if not is_padding]
        assert sorted(taken) == list(range(407))


def test_drop_last_drops_the_global_tail(dataset: Dataset) -> None:
    loader = DataLoader(stream(dataset), batch_size=48, drop_last=True, num_workers=2)
    assert len(loader) == 8
    assert [len(batch) for batch in epoch_of(loader)] == [48] * 8
    assert loader.state_dict()["segments"][-1]["epoch"] == 1
    with pytest.raises(InvalidInput, match="no global batch"):
        next(iter(DataLoader(stream(dataset), batch_size=500, drop_last=True, num_workers=0)))


def test_one_row_and_a_batch_larger_than_the_data(tmp_path: Path) -> None:
    dataset = small_dataset(tmp_path, commits=(1,))
    for engine in ENGINES:
        with DataLoader(stream(dataset), batch_size=64, **engine) as loader:
            for _ in range(3):
                assert [numbers_of(batch) for batch in loader] == [[0]]


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_error_of_a_sample_names_it_and_iterating_again_tries_again(dataset: Dataset, engine: dict[str, Any]) -> None:
    with DataLoader(stream(dataset, transforms=[fails_on_13], shuffle=None), batch_size=5, **engine) as loader:
        for _ in range(2):
            with pytest.raises(InvalidInput, match=r"sample '1:\w+[^']*': transform fails_on_13 failed: ValueError"):
                list(loader)
        assert [segment["to"] for segment in loader.state_dict()["segments"]] == [10]


@pytest.mark.parametrize("engine", PROCESSES, ids=str)
def test_worker_that_dies_is_an_error_that_says_how(dataset: Dataset, engine: dict[str, Any]) -> None:
    with DataLoader(stream(dataset, transforms=[dies_on_13], shuffle=None), batch_size=5, **engine) as loader:
        with pytest.raises(Unavailable, match=r"ended by signal 9 .* memory ran out") as caught:
            for _ in loader:
                pass
        assert "__main__" not in str(caught.value)
        assert loader.state_dict()["segments"][-1]["to"] <= 10


@pytest.mark.parametrize("engine", PROCESSES, ids=str)
def test_worker_that_ends_by_itself_says_nothing_of_memory(dataset: Dataset, engine: dict[str, Any]) -> None:
    with (
        DataLoader(stream(dataset, transforms=[exits_on_13], shuffle=None), batch_size=5, **engine) as loader,
        pytest.raises(Unavailable, match="ended with code 3 ") as caught,
    ):
        list(loader)
    assert "memory" not in str(caught.value)
    assert "__main__" not in str(caught.value), "a fork imports no script"


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
@pytest.mark.parametrize("num_bytes", [0, 1 << 20], ids=["small", "more than a pipe holds"])
def test_script_without_a_main_guard_is_told_so(tmp_path: Path, start: str, num_bytes: int) -> None:
    small_dataset(tmp_path)
    program = f"""
        from headrace.streaming import DataLoader, StreamingDataset
        from tests.stream_lakes import Weighty

        data = StreamingDataset("{tmp_path}/lake::numbers", transforms=[Weighty(bytes({num_bytes}))])
        for batch in DataLoader(data, batch_size=8, workers="subprocess", multiprocessing_context="{start}"):
            pass
    """
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(program), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, os.getcwd()])},
    )  # fmt: skip
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("headrace.errors.Unavailable: "), done.stderr
    assert 'if __name__ == "__main__":' in last
    assert 'multiprocessing_context="fork"' in last
    assert "memory" not in last


@pytest.mark.parametrize("engine", [ENGINES[1], ENGINES[4]], ids=str)
def test_stall_is_named_and_ends_with_the_timeout(
    dataset: Dataset, engine: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    loader = DataLoader(
        stream(dataset, transforms=[sleeps_on_13], shuffle=None), batch_size=5, stall_seconds=0.1, timeout_seconds=2,
        **engine,
    )  # fmt: skip
    with loader, caplog.at_level(logging.WARNING), pytest.raises(Unavailable, match=r"transform \(sample '?1:"):
        for _ in loader:
            pass
    assert "under way: " in caplog.text


class _Told(logging.Handler):
    """Goes on when something was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.was_told = threading.Event()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage()
        self.was_told.set()


def test_stall_without_workers_is_told_while_it_lasts(dataset: Dataset) -> None:
    """Nothing can end it there, but the log names the stage and the sample."""
    told = _Told()
    logger = logging.getLogger("headrace.streaming")
    logger.addHandler(told)
    try:
        data = stream(dataset, transforms=[WaitsOn13(told.was_told)], shuffle=None)
        with DataLoader(data, batch_size=5, num_workers=0, stall_seconds=0.1) as loader:
            assert len(list(loader)) == 82
    finally:
        logger.removeHandler(told)
    assert "batch 2: transform (sample 1:" in told.text.replace("'", "")
    assert "timeout_seconds cannot" in told.text
    assert told.text.count("no batch for") == 1


def test_watch_of_stalls_ends_with_the_loader(dataset: Dataset) -> None:
    before = set(threading.enumerate())
    loader = DataLoader(stream(dataset), batch_size=5, num_workers=0, stall_seconds=float("inf"))
    next(iter(loader))
    (watch,) = set(threading.enumerate()) - before
    del loader
    gc.collect()
    watch.join(10)
    assert not watch.is_alive()


def test_lambda_for_a_spawned_process_is_refused_with_the_remedy(dataset: Dataset) -> None:
    loader = DataLoader(stream(dataset, transforms=[lambda sample: sample]), batch_size=5, workers="subprocess")
    with pytest.raises(InvalidInput, match="workers='threads'"):
        next(iter(loader))


def test_batches_that_are_kept_stay_what_they_were(dataset: Dataset) -> None:
    """Slots are used again only when nobody holds an array in them."""
    for engine in ENGINES:
        with DataLoader(stream(dataset, transforms=[Noise()]), batch_size=16, batch_format="numpy", **engine) as loader:
            kept = list(loader)
            copies = [batch["noise"].copy() for batch in kept]
            for batch in loader:
                del batch
            gc.collect()
            assert all(np.array_equal(batch["noise"], copy) for batch, copy in zip(kept, copies))
        assert all(np.array_equal(batch["noise"], copy) for batch, copy in zip(kept, copies)), "after close, too"


def test_batch_larger_than_a_slot(dataset: Dataset) -> None:
    big: Callable[..., Any] = stream
    with DataLoader(
        big(dataset, transforms=[Noise()]), batch_size=400, num_workers=1, workers="threads", slot_bytes=4096
    ) as loader:
        assert sum(len(batch["n"]) for batch in loader) == 407
    with (
        DataLoader(big(dataset, transforms=[Noise()]), batch_size=400, workers="subprocess", slot_bytes=4096) as loader,
        pytest.raises(InvalidInput, match="slot_bytes"),
    ):
        next(iter(loader))


def test_own_collate_is_left_as_it_is(dataset: Dataset) -> None:
    def collate(samples: list[dict[str, Any]]) -> list[int]:
        return [sample["n"] for sample in samples]

    loader = DataLoader(stream(dataset), batch_size=400, collate=collate, num_workers=2)
    assert sorted(n for batch in loader for n in batch) == list(range(407))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either batch_size"),
        ({"batch_size": 4, "global_batch_size": 8}, "either batch_size"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 4, "num_workers": -1}, "num_workers"),
        ({"batch_size": 4, "num_workers": "2"}, "num_workers is '2'"),
        ({"batch_size": 4, "workers": "magic"}, "magic"),
        ({"batch_size": 4, "batch_format": "foo"}, "batch_format is 'foo': expected auto, torch or numpy"),
        ({"batch_size": 4, "multiprocessing_context": "foo"}, "expected spawn, fork or forkserver"),
        ({"batch_size": 4, "slot_bytes": 0.5}, "slot_bytes is 0.5"),
        ({"batch_size": 4, "prefetch_batches": 0}, "prefetch_batches"),
        ({"batch_size": 4, "rank": 1}, "belong together"),
        ({"batch_size": 4, "rank": 2, "world_size": 2}, "rank 2 of 2"),
        ({"global_batch_size": 2, "rank": 0, "world_size": 3}, "one sample each"),
        ({"batch_size": 4, "mesh": object()}, "DeviceMesh"),
        ({"batch_size": 4, "mesh": (0, 2), "rank": 0, "world_size": 2}, "either mesh"),
    ],
)
def test_wrong_options_are_refused(dataset: Dataset, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        DataLoader(stream(dataset), **options)


def test_snapshot_is_no_stream(dataset: Dataset) -> None:
    with pytest.raises(InvalidInput, match=r"not Snapshot: DataLoader\(StreamingDataset\(source\)"):
        DataLoader(dataset.snapshot(), 4)  # type: ignore[arg-type]


def test_numbers_may_be_those_of_numpy(dataset: Dataset) -> None:
    loader = DataLoader(stream(dataset), np.int64(48), num_workers=np.int8(0))  # type: ignore[arg-type]
    assert len(epoch_of(loader)) == len(loader) == 9


def test_epoch_that_no_state_could_name_is_refused(dataset: Dataset) -> None:
    loader = DataLoader(stream(dataset), batch_size=4, num_workers=0)
    loader.set_epoch(2**31)
    DataLoader(stream(dataset), batch_size=4, num_workers=0).load_state_dict(loader.state_dict())
    for epoch in (-1, 2**40):
        with pytest.raises(InvalidInput, match=r"epoch is .*: expected a whole number from 0 to 2147483648"):
            loader.set_epoch(epoch)


def test_rank_and_world_come_from_the_launcher(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert DataLoader(stream(dataset), batch_size=4).global_batch_size == 16
    assert DataLoader(stream(dataset), batch_size=4, mesh=(0, 2)).global_batch_size == 8
    monkeypatch.setenv("RANK", "x")
    with pytest.raises(InvalidInput, match="RANK"):
        DataLoader(stream(dataset), batch_size=4)
    monkeypatch.delenv("RANK")
    monkeypatch.setenv("SLURM_PROCID", "2")
    monkeypatch.setenv("SLURM_NTASKS", "3")
    assert DataLoader(stream(dataset), batch_size=4).global_batch_size == 4, "a batch script without srun"
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "3")
    assert DataLoader(stream(dataset), batch_size=4).global_batch_size == 12


def test_statistics_count_and_name_the_bottleneck(dataset: Dataset) -> None:
    loader = DataLoader(stream(dataset, transforms=[Noise()]), batch_size=48, num_workers=2)
    for _ in loader:
        pass
    figures = loader.statistics()
    assert (figures.num_batches, figures.num_samples, figures.num_padding) == (9, 407, 0)
    assert set(figures.stage_seconds) == {"read", "transform", "collate"}
    assert figures.bottleneck in ("start", "hand over", "read", "transform", "collate", "consumer")
    assert sum(figures.waits.values()) == pytest.approx(figures.wait_seconds)
    assert figures.first_batch_seconds is not None
    assert json.loads(json.dumps(figures.to_json()))["num_samples"] == 407


class SlowToFilter(SnapshotRows):
    """Rows whose plan takes a while to make."""

    def narrow(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        time.sleep(0.3)
        yield from super().narrow(columns)


@pytest.mark.parametrize("opens_before", [False, True], ids=["opened by the iteration", "opened by set_epoch"])
def test_first_batch_counts_the_opening(tmp_path: Path, opens_before: bool) -> None:
    rows_of = SlowToFilter(small_dataset(tmp_path).snapshot(), pages=PageFolder(tmp_path / "pages"))
    loader = DataLoader(StreamingDataset(rows_of, where="n > 5"), batch_size=48, num_workers=0)
    if opens_before:
        loader.set_epoch(1)
    next(iter(loader))
    figures = loader.statistics()
    assert figures.first_batch_seconds is not None
    assert figures.first_batch_seconds >= 0.3
    assert figures.waits["start"] >= 0.3
    assert figures.bottleneck == "start"
    assert figures.wait_seconds <= figures.work_seconds


def test_close_ends_processes_and_threads(dataset: Dataset) -> None:
    for engine in ENGINES:
        loader = DataLoader(stream(dataset), batch_size=4, **engine)
        next(iter(loader))
        loader.close()
        loader.close()
    deadline = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("kind", ["threads", "subprocess"])
def test_ctrl_c_ends_soon_twice(tmp_path: Path, kind: str) -> None:
    """In a process group of its own, as a terminal sends it."""
    small_dataset(tmp_path, commits=(2000,))
    program = f"""
        import os, signal, sys, threading, time
        from headrace.streaming import DataLoader, StreamingDataset
        from tests.stream_lakes import Noise

        def main():
            data = StreamingDataset("{tmp_path}/lake::numbers", transforms=[Noise()])
            loader = DataLoader(data, batch_size=2, num_workers=2, workers="{kind}")
            for _ in range(2):
                try:
                    for step, batch in enumerate(loader):
                        if step == 5:
                            started = time.monotonic()
                            os.killpg(0, signal.SIGINT)
                            time.sleep(5)
                except KeyboardInterrupt:
                    print("interrupted", time.monotonic() - started < 2, flush=True)
            assert loader.state_dict()["segments"][-1]["to"] == 24, loader.state_dict()
            started = time.monotonic()
            loader.close()
            print("closed", time.monotonic() - started < 2)

        if __name__ == "__main__":
            main()
    """
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(program), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert done.stdout.split("\n")[:3] == ["interrupted True", "interrupted True", "closed True"], done.stderr
    assert done.returncode == 0, done.stderr
