"""A lease is visible while its writer lives, and counts from when the write began."""

from __future__ import annotations

import time

import pytest

from headrace.datasets.leases import LEASES, Lease, oldest_lease, remove_ended_leases
from headrace.errors import Unavailable
from tests.aging_store import AgingStore

_DEADLINE_SECONDS = 20.0


def _wait_for_leases(store: AgingStore, number: int) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while len(list(store.list(LEASES))) < number:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_short_write_takes_no_lease() -> None:
    store = AgingStore()
    with Lease(store, ""):
        pass
    assert store.calls.total() == 0
    assert oldest_lease(store, "", now=5.0) == 5.0


def test_long_write_is_seen_and_leaves_nothing() -> None:
    store = AgingStore()
    began = time.time()
    with Lease(store, "datasets/x/", renew_seconds=0.01):
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while len(list(store.list("datasets/x/leases/"))) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        now = time.time()
        assert began - 3 < oldest_lease(store, "datasets/x/", now=now) <= began + 0.01
        assert oldest_lease(store, "datasets/y/", now=now) == now
        remove_ended_leases(store, "datasets/x/", now=now)
        assert oldest_lease(store, "datasets/x/", now=now) < now
    assert store.contents() == {}


def test_failed_sign_of_life_does_not_end_the_write(caplog: pytest.LogCaptureFixture) -> None:
    store = AgingStore()
    num_failures = 0

    def fail(key: str) -> None:
        nonlocal num_failures
        if num_failures < 2:
            num_failures += 1
            raise Unavailable("no answer")

    store.before_put_new = fail
    with Lease(store, "", renew_seconds=0.01):
        _wait_for_leases(store, 1)
    assert num_failures == 2
    assert "lease not renewed" in caplog.text
    assert store.contents() == {}


def test_lease_of_a_dead_writer_ends_by_itself() -> None:
    store = AgingStore()
    store.put_new(f"{LEASES}0123-000000", b"600")
    now = time.time()
    assert now - 602 < oldest_lease(store, "", now=now) <= now - 599
    store.ages[f"{LEASES}0123-000000"] = 3601
    assert oldest_lease(store, "", now=now) == now
    remove_ended_leases(store, "", now=now)
    assert store.contents() == {}


def test_foreign_object_counts_with_its_age() -> None:
    store = AgingStore()
    store.put_new(f"{LEASES}note", b"not a number")
    store.ages[f"{LEASES}note"] = 100
    now = time.time()
    assert now - 102 < oldest_lease(store, "", now=now) <= now - 99
