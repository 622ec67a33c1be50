from __future__ import annotations

import numpy as np
import pytest

from headrace.streaming.permutations import order_key, permute, permute_each


@pytest.mark.parametrize("size", [1, 2, 3, 1_023, 1_024, 1_025, 5_000])
def test_every_place_has_one_image(size: int) -> None:
    key = order_key(seed=1, epoch=0, level="global")
    assert sorted(permute(key, np.arange(size), size).tolist()) == list(range(size))


def test_a_trillion_places_need_no_memory() -> None:
    places = np.array([0, 1, 10**12 - 1])
    images = permute(order_key(seed=1, epoch=0, level="global"), places, 10**12)
    assert len(set(images.tolist())) == 3
    assert images.min() >= 0
    assert images.max() < 10**12


def test_each_place_goes_by_its_own_key_and_size() -> None:
    """Tables and networks in one call give what they give one by one."""
    sizes = [7, 1_500, 1_023, 4_096]
    keys = [order_key(seed=1, epoch=0, level="window", lane=lane) for lane in range(4)]
    chosen = np.array([3, 0, 2, 1, 0, 3, 1, 2])
    places = np.array([4_095, 6, 1_000, 1_499, 0, 17, 3, 5])
    images = permute_each(keys, chosen, places, np.array(sizes)[chosen])
    for idx, place, image in zip(chosen.tolist(), places.tolist(), images.tolist()):
        assert permute(keys[idx], np.array([place]), sizes[idx]).tolist() == [image]


def test_no_places_are_no_images() -> None:
    assert permute(order_key(seed=1, epoch=0, level="global"), np.zeros(0, dtype=np.int64), 0).tolist() == []


def test_other_arguments_give_other_keys() -> None:
    base = {"seed": 1, "epoch": 2, "level": "window", "lane": 3, "window": 4}
    others: list[dict[str, object]] = [{**base, name: "block" if name == "level" else 0} for name in base]
    keys = {order_key(**arguments) for arguments in (base, *others)}  # type: ignore[arg-type]
    assert len(keys) == 6
    assert {len(key) for key in keys} == {64}
