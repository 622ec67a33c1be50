"""Calls of one shape: a row's bits depend on no other row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from headrace.curation.encoding.model import Arrays, Model, ModelMismatch
from headrace.curation.encoding.model_calls import ModelCalls
from headrace.curation.encoding.torch_model import TorchModel
from tests.encode_models import Mean, Towers


class Doubling:
    """Doubles; on a "GPU" with room for some rows, whose bits change above some number of rows."""

    fixed_rows: int | None = None

    def __init__(self, *, device: str = "cuda", room: int = 1_000, same_up_to: int = 1_000) -> None:
        self.device = device
        self.room = room
        self.same_up_to = same_up_to
        self.sizes: list[int] = []

    def run(self, arrays: Arrays) -> NDArray[Any]:
        values = arrays[""]
        if len(values) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.sizes.append(len(values))
        return values * 2 + (np.float32(1e-6) if len(values) > self.same_up_to else 0)


def rows(count: int, width: int = 3) -> list[dict[str, NDArray[np.float32]]]:
    values = np.random.default_rng(1).standard_normal((count, width)).astype(np.float32)
    return [{"": row} for row in values]


def towers(seed: int = 0) -> Model:
    torch.manual_seed(seed)
    model: Any = TorchModel.__new__(TorchModel)
    model.device, model._module, model._output_name = "cpu", Towers().eval(), None
    model._parameters, model._input_name, model._dtype = ["pixels"], "pixels", torch.float32
    made: Model = model
    return made


def images(count: int) -> list[dict[str, NDArray[np.float32]]]:
    values = np.random.default_rng(2).standard_normal((count, 3, 32, 32)).astype(np.float32)
    return [{"": row} for row in values]


def test_bits_of_a_row_depend_on_neither_chunks_nor_threads() -> None:
    model, given = towers(), images(37)
    before = torch.get_num_threads()
    whole = ModelCalls(model, shape=[33], batch=8, max_batch=64).run(given)
    for step in (1, 3, 8, 20):
        calls = ModelCalls(model, shape=[33], batch=8, max_batch=64)
        parts = [value for start in range(0, 37, step) for value in calls.run(given[start : start + step])]
        assert [np.asarray(value).tobytes() for value in parts] == [np.asarray(value).tobytes() for value in whole]
    order = np.random.default_rng(3).permutation(37)
    mixed = ModelCalls(model, shape=[33], batch=8, max_batch=64).run([given[idx] for idx in order])
    assert [np.asarray(value).tobytes() for value in mixed] == [np.asarray(whole[idx]).tobytes() for idx in order]
    try:
        torch.set_num_threads(3)
        threaded = ModelCalls(model, shape=[33], batch=8, max_batch=64).run(given)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert [np.asarray(value).tobytes() for value in threaded] == [np.asarray(value).tobytes() for value in whole]


def test_numbers_are_those_of_the_module() -> None:
    torch.manual_seed(0)
    module = Towers().eval()
    given = images(5)
    with torch.inference_mode():
        wanted = module(torch.from_numpy(np.stack([row[""] for row in given]))).numpy()
    found = ModelCalls(towers(), shape=[33], batch=4, max_batch=4).run(given)
    np.testing.assert_allclose(np.stack([np.asarray(value) for value in found]), wanted, atol=1e-5)


def test_rows_that_see_their_neighbours_are_refused() -> None:
    class Neighbours(Doubling):
        def run(self, arrays: Arrays) -> NDArray[Any]:
            with torch.inference_mode():
                found: NDArray[Any] = Mean()(torch.from_numpy(arrays[""])).numpy()
            return found

    with pytest.raises(ModelMismatch, match="set batch: 1"):
        ModelCalls(Neighbours(), shape=[3], batch=4, max_batch=4).run(rows(2))
    assert len(ModelCalls(Neighbours(), shape=[3], batch=1, max_batch=1).run(rows(2))) == 2


def test_more_rows_at_once_only_where_bits_agree() -> None:
    free = Doubling()
    calls = ModelCalls(free, shape=[3], batch=4, max_batch=40)
    calls.run(rows(100))
    assert calls.sizes == (1, 2, 4, 8, 16, 32)
    assert free.sizes[-4:] == [32, 32, 32, 4]
    bound = ModelCalls(Doubling(same_up_to=8), shape=[3], batch=4, max_batch=40)
    found = bound.run(rows(100))
    assert bound.sizes == (1, 2, 4, 8)
    assert np.stack([np.asarray(value) for value in found]).tolist() == [(row[""] * 2).tolist() for row in rows(100)]
    on_cpu = ModelCalls(Doubling(device="cpu"), shape=[3], batch=4, max_batch=40)
    on_cpu.run(rows(100))
    assert on_cpu.sizes == (4,)


def test_less_memory_later_takes_fewer_rows_at_once() -> None:
    model = Doubling(room=20)
    calls = ModelCalls(model, shape=[3], batch=4, max_batch=64)
    calls.run(rows(30))
    assert calls.sizes == (1, 2, 4, 8, 16)
    model.room = 3
    found = calls.run(rows(30))
    assert list(calls.sizes) == [1, 2]
    assert np.stack([np.asarray(value) for value in found]).tolist() == [(row[""] * 2).tolist() for row in rows(30)]
    model.room = 0
    with pytest.raises(ModelMismatch, match="do not fit into memory"):
        calls.run(rows(1))


def test_batch_that_never_fits_says_what_to_do() -> None:
    with pytest.raises(ModelMismatch, match="8 rows do not fit into memory at once; set batch to a smaller number"):
        ModelCalls(Doubling(room=4), shape=[3], batch=8, max_batch=8).run(rows(1))


def test_model_with_a_fixed_number_of_rows_gets_it() -> None:
    model = Doubling(device="cpu")
    model.fixed_rows = 3
    assert len(ModelCalls(model, shape=[3], batch=8, max_batch=64).run(rows(7))) == 7
    assert set(model.sizes) == {3}


def test_row_at_which_the_model_fails_is_told_alone() -> None:
    class Picky(Doubling):
        def run(self, arrays: Arrays) -> NDArray[Any]:
            if (arrays[""] > 50).any():
                raise ValueError("too large")
            return super().run(arrays)

    given = rows(10)
    given[4] = {"": np.array([99, 0, 0], np.float32)}
    found = ModelCalls(Picky(), shape=[3], batch=4, max_batch=8).run(given)
    assert [idx for idx, value in enumerate(found) if isinstance(value, str)] == [4]
    assert found[4] == "the model failed: ValueError: too large"


def test_other_shape_is_told_with_the_one_to_set() -> None:
    with pytest.raises(ModelMismatch, match=r"set shape: \[3\]"):
        ModelCalls(Doubling(), shape=[4], batch=2, max_batch=2).run(rows(1))


def test_no_rows_load_nothing() -> None:
    calls = ModelCalls(Doubling(room=0), shape=[3], batch=2, max_batch=2)
    assert calls.run([]) == []
    assert calls.sizes == ()
