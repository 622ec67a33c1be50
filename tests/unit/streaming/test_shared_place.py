"""Where torch's workers start: the same place for all of one iteration, another one for the next."""

from __future__ import annotations

from headrace.streaming.shared_place import Place, SharedPlace
from headrace.streaming.torch_face import TorchWorker


def _next(place: Place) -> Place:
    return {"epoch": place["epoch"] + 1}


def _join(shared: SharedPlace, number: int, *, seed: int, stands_at: int = 0, is_own: bool = False) -> int:
    """As a worker that was started anew for this iteration."""
    shared._pid = 0
    worker = TorchWorker(number, 2, seed)
    place = shared.join(worker, stands_at={"epoch": stands_at}, following=_next, is_own=is_own)
    return int(place["epoch"])


def test_workers_of_one_iteration_start_together_in_any_order() -> None:
    shared = SharedPlace()
    assert [_join(shared, number, seed=seed) for number, seed in ((0, 7), (0, 8), (1, 8), (1, 7))] == [0, 1, 1, 0]
    assert shared.begun() == {"epoch": 1}


def test_same_seed_again_is_another_iteration() -> None:
    shared = SharedPlace()
    assert [_join(shared, number, seed=7) for number in (0, 1, 0, 1, 1, 0)] == [0, 0, 1, 1, 2, 2]


def test_what_the_trainer_said_counts_once() -> None:
    shared = SharedPlace()
    _join(shared, 0, seed=1)
    shared.say({"epoch": 5})
    assert shared.begun() is None
    assert [_join(shared, number, seed=seed) for number, seed in ((1, 2), (0, 2), (0, 3))] == [5, 5, 6]
    assert shared.forget() == {"epoch": 6}
    assert shared.begun() is None
    assert _join(shared, 0, seed=4, stands_at=9) == 9


def test_worker_with_a_state_of_its_own_keeps_it_and_the_next_iteration_follows() -> None:
    shared = SharedPlace()
    assert [_join(shared, number, seed=1, stands_at=3, is_own=True) for number in (0, 1)] == [3, 3]
    assert [_join(shared, number, seed=2) for number in (1, 0)] == [4, 4]


def test_many_iterations_take_bounded_room() -> None:
    shared = SharedPlace()
    for seed in range(1000):
        assert _join(shared, 0, seed=seed) == seed
    assert len(str(shared._read())) < 10_000
