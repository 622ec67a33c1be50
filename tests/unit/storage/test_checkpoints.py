"""Checkpoints of long logs."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import DataCorrupted
from headrace.storage.checkpoints import INTERVAL, Checkpoints, segment_runs
from headrace.storage.digests import digest_hex
from headrace.storage.sealed import seal
from tests.scripted_store import ScriptedStore


@given(st.integers(1, 200_000).map(lambda count: count * INTERVAL))
def test_segment_runs_cover_the_log_exactly(number: int) -> None:
    runs = segment_runs(number)
    assert runs[0][0] == 1
    assert runs[-1][1] == number
    for (_, last), (first, _) in itertools.pairwise(runs):
        assert first == last + 1
    lengths = [last - first + 1 for first, last in runs]
    assert lengths == sorted(lengths, reverse=True)
    powers = {INTERVAL * 8**power for power in range(12)}
    assert set(lengths) <= powers
    assert all(lengths.count(length) <= 7 for length in set(lengths))
    assert all((first - 1) % (last - first + 1) == 0 for first, last in runs), "runs keep their place as the log grows"


def _line(number: int) -> bytes:
    return b'{"number":%d}' % number


class _Entries:
    """Stands for the entries of a log and counts how many were read."""

    def __init__(self) -> None:
        self.num_read = 0

    def __call__(self, number: int) -> bytes:
        self.num_read += 1
        return _line(number)


def _written(store: ScriptedStore, upto: int) -> tuple[Checkpoints, _Entries]:
    checkpoints, entries = Checkpoints(store, "datasets/a/"), _Entries()
    for number in range(INTERVAL, upto + 1, INTERVAL):
        checkpoints.write(number, digest_hex(_line(number)), entries)
    return checkpoints, entries


@pytest.mark.parametrize("num_runs", [1, 2, 7, 8, 9, 17, 64, 65])
def test_newest_checkpoint_gives_every_entry_in_order(num_runs: int) -> None:
    store = ScriptedStore()
    number = num_runs * INTERVAL
    checkpoints, entries = _written(store, number)
    checkpoint = checkpoints.newest()
    assert checkpoint is not None
    assert (checkpoint.number, checkpoint.digest) == (number, digest_hex(_line(number)))
    assert list(checkpoints.entries(checkpoint)) == [_line(item) for item in range(1, number + 1)]
    assert entries.num_read == number, "each entry is read once, then copied from segments"


def test_no_checkpoint_is_written_between_the_intervals() -> None:
    store = ScriptedStore()
    checkpoints = Checkpoints(store, "")
    assert checkpoints.newest() is None
    for number in (1, 63, 65, 100):
        checkpoints.write_if_due(number, "d", _line)
    assert store.contents() == {}
    checkpoints.write_if_due(64, "d", _line)
    assert sorted(re.sub("[0-9a-f]{64}", "DIGEST", key) for key in store.contents()) == [
        "checkpoints/9999999935.json",
        "checkpoints/segments/DIGEST.jsonl",
    ]


def test_checkpoints_work_without_those_before() -> None:
    store = ScriptedStore()
    checkpoints = Checkpoints(store, "")
    checkpoints.write(INTERVAL * 10, "d", _line)
    found = checkpoints.newest()
    assert found is not None
    assert list(checkpoints.entries(found)) == [_line(item) for item in range(1, INTERVAL * 10 + 1)]


def test_strange_files_beside_checkpoints_are_ignored() -> None:
    store = ScriptedStore()
    checkpoints, _ = _written(store, INTERVAL)
    store.replace("datasets/a/checkpoints/.DS_Store", b"x")
    store.replace("datasets/a/checkpoints/0readme.txt", b"x")
    found = checkpoints.newest()
    assert found is not None
    assert found.number == INTERVAL


@settings(max_examples=30)
@given(st.integers(0, 1 << 20))
def test_flipped_bit_in_a_checkpoint_or_segment_is_named(bit: int) -> None:
    store = ScriptedStore()
    checkpoints, _ = _written(store, INTERVAL)
    for key in list(store.contents()):
        before = store.contents()[key]
        store.flip_bit(key, bit)

        def read() -> None:
            found = checkpoints.newest()
            assert found is not None
            list(checkpoints.entries(found))

        with pytest.raises(DataCorrupted, match=key):
            read()
        store.replace(key, before)


@pytest.mark.parametrize("document", [{}, {"segments": 5}, {"segments": [{}], "number": 64, "digest": "d"}])
def test_checkpoint_of_another_shape_is_corrupted(document: dict[str, object]) -> None:
    store = ScriptedStore()
    store.replace("checkpoints/9999999935.json", seal(document))
    with pytest.raises(DataCorrupted, match=r"checkpoints/9999999935.json is no checkpoint.*delete the folder"):
        Checkpoints(store, "").newest()
