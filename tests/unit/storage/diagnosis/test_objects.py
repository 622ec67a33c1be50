"""What a store can do, told by stores that cannot; nothing is left behind."""

from __future__ import annotations

import itertools

import pytest

from headrace.errors import PermissionDenied, Unavailable
from headrace.storage.diagnosis.diagnosing import diagnose_store
from headrace.storage.diagnosis.objects import ObjectChecks
from headrace.storage.diagnosis.running import run_checks
from headrace.storage.probe import PROBE_PREFIX
from tests.scripted_store import ScriptedStore

_NAMES = ["list", "write", "read", "delete", "conditional puts", "throughput"]


class _NoDelete(ScriptedStore):
    def delete(self, key: str) -> None:
        raise PermissionDenied(f"the store refuses to delete {key}")


class _Echoes(ScriptedStore):
    """Gives other bytes back."""

    def get(self, key: str) -> bytes:
        return super().get(key)[::-1]


class _Keeps(ScriptedStore):
    """Says that it deleted, and did not."""

    def delete(self, key: str) -> None:
        pass


def test_sound_store_passes_and_is_empty_afterwards() -> None:
    store = ScriptedStore()
    diagnosis = diagnose_store(store)
    assert [(result.name, result.status) for result in diagnosis.results] == [(name, "ok") for name in _NAMES]
    assert diagnosis.is_ok
    assert diagnosis["list"].value.startswith("nothing there yet")
    assert all(key.startswith(PROBE_PREFIX) for key in store.keys_put)
    assert store.contents() == {}


def test_lake_is_seen_and_not_touched() -> None:
    store = ScriptedStore()
    store.replace("headrace.json", b"{}")
    assert diagnose_store(store)["list"].value.startswith("a lake; ")
    assert store.contents() == {"headrace.json": b"{}"}


def test_read_only_writes_nothing_and_reads_what_is_there() -> None:
    store = ScriptedStore()
    store.replace("objects/a", bytes(5000))
    diagnosis = diagnose_store(store, is_read_only=True)
    assert [result.status for result in diagnosis.results] == ["ok", "skip", "ok", "skip", "skip", "skip"]
    assert diagnosis["read"].value.startswith("1,024 bytes")
    assert (store.calls["put"], store.calls["put_new"]) == (0, 0)
    assert diagnose_store(ScriptedStore(), is_read_only=True)["read"].status == "skip"


def test_store_that_lets_a_taken_key_be_taken_again_fails() -> None:
    store = ScriptedStore()
    store.after_put_new = lambda key, created: True
    finding = diagnose_store(store)["conditional puts"]
    assert finding.status == "fail"
    assert "If-None-Match" in str(finding.remedy)
    assert store.contents() == {}


def test_refused_write_skips_what_builds_on_it_and_leaves_nothing() -> None:
    store = ScriptedStore()

    def refuse(key: str) -> None:
        raise PermissionDenied("the store refuses to write. Check the credentials")

    store.before_put = refuse
    diagnosis = diagnose_store(store)
    assert [result.status for result in diagnosis.results] == ["ok", "fail", "skip", "skip", "skip", "skip"]
    assert diagnosis["write"].remedy == "the store refuses to write. Check the credentials"


def test_refused_delete_warns_and_names_what_stays() -> None:
    store = _NoDelete()
    diagnosis = diagnose_store(store)
    assert diagnosis.is_ok
    assert diagnosis["delete"].status == "warn"
    assert diagnosis["clean-up"].value == "2 left behind"
    assert sum(key in str(diagnosis["clean-up"].detail) for key in store.contents()) == 2


def test_deleted_object_that_stays_is_seen() -> None:
    assert diagnose_store(_Keeps())["delete"].value == "deleted, and still there"


def test_other_bytes_than_were_written_fail() -> None:
    diagnosis = diagnose_store(_Echoes())
    assert diagnosis["read"].status == "fail"
    assert diagnosis["throughput"].status == "skip"


def test_slow_store_warns() -> None:
    """A timer that says one second between any two looks at it."""
    store = ScriptedStore()
    objects = ObjectChecks(store, timer=itertools.count(0.0, 1.0).__next__)
    results = {result.name: result for result in run_checks(objects.checks(needs=()), is_read_only=False)}
    assert results["throughput"].status == "warn"
    assert results["throughput"].finding.value == "put 8 MB/s, get 8 MB/s"
    assert results["throughput"].finding.measured["put_bytes_per_second"] == 8 * 1024 * 1024
    assert objects.clean_up() == []


@pytest.mark.parametrize("error", [Unavailable("lost"), KeyboardInterrupt()], ids=["lost answer", "Ctrl-C"])
def test_written_object_is_removed_whatever_happens(error: BaseException) -> None:
    """Also one whose write was not acknowledged, and when the person gives up."""
    store = ScriptedStore()

    def write_and_fail(key: str) -> None:
        store.replace(key, b"arrived all the same")
        raise error

    store.before_put = write_and_fail
    if isinstance(error, Exception):
        assert diagnose_store(store)["write"].value == "unavailable"
    else:
        with pytest.raises(KeyboardInterrupt):
            diagnose_store(store)
    assert store.contents() == {}
