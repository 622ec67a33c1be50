"""The log: numbered, chained, claimed once."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from headrace.errors import Conflict, DataCorrupted, Unavailable
from headrace.storage.canonical import read_json
from headrace.storage.checkpoints import INTERVAL, ListForm
from headrace.storage.digests import digest_hex
from headrace.storage.disk import SystemDisk
from headrace.storage.local import LocalStore
from headrace.storage.log import EntryLog, LogEntry
from headrace.storage.paged_list import PagedList
from headrace.storage.sealed import seal
from headrace.storage.store import ObjectStore
from tests.scripted_store import ScriptedStore

_BASE = "datasets/a/"


@dataclass
class Values:
    """Sums up to the values that were appended."""

    values: PagedList[Any] = field(default_factory=PagedList)
    entries: PagedList[LogEntry] = field(default_factory=PagedList)

    def apply(self, entry: LogEntry) -> None:
        self.values.append(entry.body["value"])
        self.entries.append(entry)

    def copy(self) -> Values:
        return Values(self.values.copy(), self.entries.copy())


class ValuesForm:
    """How they look in a checkpoint."""

    version = "1"
    interval = INTERVAL
    at_once = frozenset({"heavy"})
    lists: ClassVar = {
        "values": ListForm(list, list),
        "entries": ListForm(
            lambda entries: [list(dataclasses.astuple(entry)) for entry in entries],
            lambda document: [LogEntry(*item) for item in document],
        ),
    }

    def head(self, state: Values) -> Any:
        return {"num_values": len(state.values)}

    def paged_lists(self, state: Values) -> dict[str, PagedList[Any]]:
        return {"values": state.values, "entries": state.entries}

    def state(self, head: Any, lists: Mapping[str, PagedList[Any]]) -> Values:
        assert head == {"num_values": len(lists["values"])}
        return Values(lists["values"], lists["entries"])


def _log(store: ObjectStore, *, clock: Callable[[], int] | None = None, actor: str = "me@here") -> EntryLog[Values]:
    ticks = itertools.count(1_700_000_000_000_000, 1000)
    return EntryLog(store, _BASE, state=Values(), actor=actor, clock=clock or (lambda: next(ticks)), form=ValuesForm())


def _add(log: EntryLog[Values], value: Any) -> LogEntry:
    entry = log.append("add", lambda _: {"value": value})
    assert entry is not None
    return entry


def _key(number: int) -> str:
    return f"{_BASE}log/{number:010d}.json"


def _corrupt(store: ScriptedStore, number: int, /, **changes: Any) -> None:
    """Tamper with an entry and seal it again, as somebody would who knows the format."""
    document = read_json(store.get(_key(number)), name="x")
    del document["check"]
    store.replace(_key(number), seal({**document, **changes}))


def test_appended_entries_are_dense_chained_and_in_time_order() -> None:
    store = ScriptedStore()
    log = _log(store)
    assert log.refresh().values == []
    beginning = digest_hex(f"headrace.log.1/{_BASE}".encode())
    assert (log.number, log.digest) == (0, beginning)
    for value in range(5):
        _add(log, value)
    stored = [store.get(_key(number)) for number in range(1, 6)]
    documents = [read_json(data, name="x") for data in stored]
    assert [document["number"] for document in documents] == [1, 2, 3, 4, 5]
    assert [document["previous"] for document in documents] == [beginning, *map(digest_hex, stored[:-1])]
    assert len({document["transaction"] for document in documents}) == 5
    times = [document["time"] for document in documents]
    assert times == sorted(set(times))
    assert {document["actor"] for document in documents} == {"me@here"}
    assert (log.number, log.digest) == (5, digest_hex(stored[-1]))
    assert [entry.body["value"] for entry in log.entries()] == [0, 1, 2, 3, 4]
    assert [entry.body["value"] for entry in log.entries(after=3)] == [3, 4]
    assert list(log.entries(after=5)) == []
    assert log.refresh().entries[2].created_at == times[2]


def test_clock_that_goes_backwards_keeps_times_growing() -> None:
    store = ScriptedStore()
    readings = iter([5_000_000, 4_000_000, 4_000_000, 9_000_000])
    log = _log(store, clock=lambda: next(readings))
    for value in range(4):
        _add(log, value)
    assert [entry.time for entry in log.refresh().entries] == [5_000_000, 5_000_001, 5_000_002, 9_000_000]
    late = _log(store, clock=lambda: 0)
    assert _add(late, 4).time == 9_000_001


def test_plan_without_work_writes_nothing() -> None:
    store = ScriptedStore()
    log = _log(store)
    assert log.append("add", lambda _: None) is None
    assert store.contents() == {}


def test_plan_that_refuses_writes_nothing() -> None:
    store = ScriptedStore()
    log = _log(store)

    def refuse(_: Values) -> dict[str, int]:
        raise Conflict("no")

    with pytest.raises(Conflict):
        log.append("add", refuse)
    assert store.contents() == {}
    assert _add(log, 1).number == 1


def test_lost_race_is_rebuilt_on_top_of_the_winner() -> None:
    store = ScriptedStore()
    loser, winner = _log(store), _log(store, actor="rival")
    seen: list[list[int]] = []

    def plan(state: Values) -> dict[str, int]:
        seen.append(list(state.values))
        if len(seen) <= 2:
            _add(winner, 100 + len(seen))
        return {"value": len(state.values)}

    entry = loser.append("add", plan)
    assert entry is not None
    assert entry.number == 3
    assert seen == [[], [101], [101, 102]]
    assert loser.refresh().values == winner.refresh().values == [101, 102, 2]
    assert [item.actor for item in loser.entries()] == ["rival", "rival", "me@here"]


def test_two_logs_in_turn_see_each_other() -> None:
    store = ScriptedStore()
    logs = [_log(store), _log(store)]
    for number in range(12):
        assert _add(logs[number % 2], number).number == number + 1
    assert logs[0].refresh().values == logs[1].refresh().values == list(range(12))


def test_put_that_says_taken_although_it_wrote_counts_as_written() -> None:
    """A retry inside a store's client meets its own first try."""
    store = ScriptedStore()
    store.after_put_new = lambda key, created: False
    log = _log(store)
    plans = itertools.count()
    entry = log.append("add", lambda _: {"value": next(plans)})
    assert entry is not None
    assert (entry.number, next(plans)) == (1, 1)
    assert _log(store).refresh().values == [0]


def test_unknown_outcome_after_writing_is_told_and_found_again() -> None:
    store = ScriptedStore()

    def time_out(key: str, created: bool) -> bool:
        raise Unavailable("no answer")

    log = _log(store)
    store.after_put_new = time_out
    with pytest.raises(Unavailable):
        _add(log, "ambiguous")
    store.after_put_new = lambda key, created: created
    assert log.refresh().values == ["ambiguous"]
    assert _add(log, "next").number == 2
    assert [entry.body["value"] for entry in log.entries()] == ["ambiguous", "next"]


def test_no_answer_before_writing_leaves_the_number_free() -> None:
    store = ScriptedStore()

    def fail(key: str) -> None:
        raise Unavailable("no answer")

    log = _log(store)
    store.before_put_new = fail
    with pytest.raises(Unavailable):
        _add(log, "lost")
    store.before_put_new = lambda key: None
    assert _add(log, "next").number == 1
    assert log.refresh().values == ["next"]


@pytest.mark.parametrize("is_local", [True, False])
@pytest.mark.parametrize("num_entries", [0, 1, 2, 3, 9, 10, 11, 63, 64, 65, 130])
def test_opening_finds_every_entry(num_entries: int, *, is_local: bool) -> None:
    store = ScriptedStore(is_local=is_local)
    log = _log(store)
    for value in range(num_entries):
        _add(log, value)
    opened = _log(ScriptedStore(store.uri, is_local=is_local))
    assert opened.refresh().values == list(range(num_entries))
    assert (opened.number, opened.digest) == (log.number, log.digest)


def test_long_log_opens_from_its_checkpoint_and_reads_pages_when_asked() -> None:
    store = ScriptedStore(is_local=False)
    log = _log(store)
    for value in range(130):
        _add(log, value)
    store.calls.clear()
    opened = _log(store)
    values = opened.refresh().values
    assert (len(values), values[-1], store.calls["get"]) == (130, 129, 4)  # head, entry 128 and the two after it
    assert values[3] == 3
    assert store.calls["get"] == 5
    assert opened.refresh().entries == log.refresh().entries
    for key in list(store.contents()):
        if "checkpoints/" in key:
            store.delete(key)
    assert _log(store).refresh().entries == log.refresh().entries


def test_checkpoint_that_cannot_be_written_does_not_fail_the_append() -> None:
    store = ScriptedStore()

    def fail(key: str) -> None:
        raise Unavailable("full")

    store.before_put = fail
    log = _log(store)
    for value in range(65):
        _add(log, value)
    heads = sorted(key for key in store.contents() if "checkpoints/" in key)
    assert heads[0].endswith("9999999967.json"), "the first of those with pages is the first that fails"
    assert len(heads) == 32 // INTERVAL
    assert _log(store).refresh().values == list(range(65))


def _checkpointed(num_entries: int = 70) -> ScriptedStore:
    store = ScriptedStore()
    log = _log(store)
    for value in range(num_entries):
        _add(log, value)
    return store


@pytest.mark.parametrize("damage", ["flip", "cut", "delete"])
@pytest.mark.parametrize("folder", ["checkpoints/pages/", "checkpoints/9999999/99999998"])
def test_damaged_checkpoint_is_told_and_opening_reads_the_log(
    folder: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = _checkpointed(140)
    head = next(key for key in store.contents() if "checkpoints/99" in key)
    pages = re.findall("[0-9a-f]{64}", read_json(store.get(head), name="x")["lists"]["values"]["pages"].__str__())
    damaged = next(key for key in store.contents() if folder in key and ("pages/" not in key or pages[0] in key))
    if damage == "flip":
        store.flip_bit(damaged, 300)
    elif damage == "cut":
        store.replace(damaged, store.get(damaged)[:-7])
    else:
        store.delete(damaged)
    log = _log(store)
    with caplog.at_level(logging.WARNING):
        assert log.refresh().values == list(range(140))
        assert log.refresh().values == list(range(140))
    if damage == "delete" and "pages/" not in damaged:
        assert not caplog.records
        log.check_checkpoint()
    else:
        assert len(caplog.records) == 1
        assert damaged in caplog.text
        with pytest.raises(DataCorrupted, match=damaged):
            log.check_checkpoint()
    assert _add(log, 140).number == 141
    for key in list(store.contents()):
        if "checkpoints/" in key:
            store.delete(key)
    log.check_checkpoint()
    assert _log(store).refresh().values == list(range(141))


def test_missing_pages_are_no_harm() -> None:
    store = _checkpointed(140)
    for key in [key for key in store.contents() if "pages/" in key]:
        store.delete(key)
    assert _log(store).refresh().values == list(range(140))


def test_whole_checkpoint_passes_the_check() -> None:
    _log(_checkpointed(140)).check_checkpoint()
    _log(_checkpointed(3)).check_checkpoint()


def test_checkpoint_of_another_log_is_refused() -> None:
    store, other = _checkpointed(), _checkpointed()
    for key, data in other.contents().items():
        if "checkpoints/" in key:
            store.delete(key)
            store.replace(key, data)
    for key in list(store.contents()):
        if "checkpoints/" in key and key not in other.contents():
            store.delete(key)
    log = _log(store)
    assert log.refresh().values == list(range(70))
    assert log.digest == digest_hex(store.get(_key(70)))
    with pytest.raises(DataCorrupted, match="does not hold what the first 64 entries of the log add up to"):
        log.check_checkpoint()


def test_entry_that_a_checkpoint_knows_is_not_given_again() -> None:
    store = _checkpointed(64)
    store.delete(_key(64))
    with pytest.raises(DataCorrupted, match=f"{_key(64)} is missing"):
        _add(_log(store), "would take the lost number")
    with pytest.raises(DataCorrupted, match=f"{_key(64)} is missing"):
        _log(store).check_checkpoint()


def test_heavy_entry_gets_a_checkpoint_at_once() -> None:
    store = _checkpointed(3)
    _log(store).append("heavy", lambda _: {"value": "heavy"})
    assert sum("checkpoints/" in key for key in store.contents()) == 1


def test_removed_folder_is_written_again_as_a_whole() -> None:
    store = ScriptedStore()
    log = _log(store)
    for value in range(300):
        _add(log, value)
    for key in list(store.contents()):
        if "checkpoints/" in key:
            store.delete(key)
    for value in range(300, 304):
        _add(log, value)
    log.check_checkpoint()
    store.calls.clear()
    assert _log(store).refresh().values == list(range(304))
    assert store.calls["get"] < 10


def test_rivals_write_the_same_pages() -> None:
    store = ScriptedStore()
    logs = [_log(store), _log(store)]
    for value in range(200):
        _add(logs[value % 3 % 2], value)
    for log in logs:
        log.check_checkpoint()
        log.checkpoints.write(200, str(log.digest), time=0, state=log.refresh())
    log.check_checkpoint()
    assert _log(store).refresh().values == list(range(200))


def test_superseded_checkpoints_go_and_the_newest_two_stay() -> None:
    store = _checkpointed(2_200)
    log = _log(store)
    log.refresh()
    heads, pages = log.checkpoints.superseded(older_than=1e12)
    assert len(heads) == 2_200 // INTERVAL - 2
    assert log.checkpoints.superseded(older_than=0) == ([], [])
    for stat in (*heads, *pages):
        store.delete(stat.key)
    assert log.checkpoints.superseded(older_than=1e12) == ([], [])
    log.check_checkpoint()
    store.calls.clear()
    assert _log(store).refresh().values == list(range(2_200))
    assert store.calls["get"] < 20
    for value in range(8):
        _add(log, value)
    log.check_checkpoint()


def test_checkpoint_of_an_earlier_version_still_opens() -> None:
    """Format 1 repeated the entries in segments."""
    store = ScriptedStore(is_local=False)
    log = EntryLog(store, _BASE, state=Values(), actor="me@here")
    for value in range(130):
        _add(log, value)
    lines = b"".join(store.get(_key(number)) + b"\n" for number in range(1, 129))
    store.replace(f"{_BASE}checkpoints/segments/{digest_hex(lines)}.jsonl", lines)
    segments = [{"first": 1, "last": 128, "digest": digest_hex(lines)}]
    document = {"format": 1, "number": 128, "digest": digest_hex(store.get(_key(128))), "segments": segments}
    store.replace(f"{_BASE}checkpoints/9999999871.json", seal(document))
    store.calls.clear()
    opened = _log(store)
    assert opened.refresh().values == list(range(130))
    assert store.calls["get"] < 10
    opened.check_checkpoint()
    for value in range(130, 140):
        _add(opened, value)
    opened.check_checkpoint()
    store.calls.clear()
    assert _log(store).refresh().values == list(range(140))
    assert store.calls["get"] < 20
    store.flip_bit(f"{_BASE}checkpoints/segments/{digest_hex(lines)}.jsonl", 5)
    for key in list(store.contents()):
        if "checkpoints/9999999/" in key:
            store.delete(key)
    assert _log(store).refresh().values == list(range(140))


@pytest.mark.parametrize("number", [1, 3, 5])
def test_flipped_bit_in_an_entry_is_found_and_named(number: int) -> None:
    store = _checkpointed(5)
    store.flip_bit(_key(number), 777)
    with pytest.raises(DataCorrupted, match=_key(number)):
        _log(store).refresh()
    with pytest.raises(DataCorrupted, match=_key(number)):
        list(_log(store).entries())


def test_tampered_entry_breaks_the_chain_after_it() -> None:
    store = _checkpointed(5)
    _corrupt(store, 3, body={"value": "forged"})
    with pytest.raises(DataCorrupted, match=f"{_key(4)} does not continue entry 3"):
        _log(store).refresh()
    with pytest.raises(DataCorrupted, match=f"{_key(4)} does not continue entry 3"):
        list(_log(store).entries())


def test_tampered_entry_below_a_checkpoint_is_found_by_the_full_replay() -> None:
    store = _checkpointed(70)
    _corrupt(store, 3, body={"value": "forged"})
    log = _log(store)
    assert log.refresh().values == list(range(70))
    with pytest.raises(DataCorrupted, match=f"{_key(4)} does not continue"):
        list(log.entries())
    with pytest.raises(DataCorrupted, match=f"{_key(4)} does not continue"):
        log.check_checkpoint()


def test_flipped_bit_in_the_entry_before_those_asked_for_names_that_entry() -> None:
    store = ScriptedStore()
    log = _log(store)
    for value in range(3):
        _add(log, value)
    store.replace(_key(1), store.get(_key(1)).replace(b"me@here", b"me@herf"))
    with pytest.raises(DataCorrupted, match=r"0000000001\.json"):
        list(log.entries(after=1))


def test_first_entry_of_another_log_is_found() -> None:
    store = ScriptedStore()
    _add(_log(store), 0)
    other = EntryLog(store, "datasets/other/", state=Values(), actor="me@here", form=ValuesForm())
    _add(other, 1)
    store.replace(_key(1), store.get("datasets/other/log/0000000001.json"))
    with pytest.raises(DataCorrupted, match=r"0000000001\.json is the first entry of another log"):
        _log(store).refresh()


def test_swapped_entries_are_found() -> None:
    store = _checkpointed(5)
    second, third = store.get(_key(2)), store.get(_key(3))
    store.replace(_key(2), third)
    store.replace(_key(3), second)
    with pytest.raises(DataCorrupted, match=f"{_key(2)} holds entry 3"):
        _log(store).refresh()


def test_missing_entry_before_later_ones_is_found_by_the_full_replay() -> None:
    store = _checkpointed(5)
    store.delete(_key(3))
    with pytest.raises(DataCorrupted, match=rf"{_key(3)} is missing, but later entries are there"):
        list(_log(store).entries())
    with pytest.raises(DataCorrupted, match="is missing, but later entries are there"):
        _add(_log(store), "would take the lost number")
    assert _key(3) not in store.contents()


def test_entry_of_a_newer_format_asks_for_an_update() -> None:
    store = _checkpointed(2)
    _corrupt(store, 2, format=9)
    with pytest.raises(Unavailable, match=r"format 9.*update"):
        _log(store).refresh()


@pytest.mark.parametrize(
    "changes", [{"time": "soon"}, {"time": 5}, {"format": "one"}, {"body": {}}, {"body": None}, {"number": "2"}]
)
def test_entry_of_another_shape_is_corrupted(changes: dict[str, Any]) -> None:
    store = _checkpointed(2)
    _corrupt(store, 2, **changes)
    with pytest.raises(DataCorrupted, match=_key(2)):
        _log(store).refresh()


def test_other_objects_in_the_folder_are_ignored() -> None:
    store = _checkpointed(3)
    store.replace(f"{_BASE}log/.probe-abc", b"x")
    assert _log(store).refresh().values == [0, 1, 2]
    assert len(list(_log(store).entries())) == 3


def test_floats_do_not_belong_in_entries() -> None:
    store = ScriptedStore()
    with pytest.raises(TypeError, match="float"):
        _log(store).append("add", lambda _: {"value": 0.5})
    assert store.contents() == {}


def test_threads_on_one_log_append_densely() -> None:
    store = ScriptedStore()
    log = _log(store)
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda value: _add(log, value).number, range(80)))
    assert sorted(numbers) == list(range(1, 81))
    assert sorted(log.refresh().values) == list(range(80))


def test_many_writers_append_densely() -> None:
    store = ScriptedStore()
    logs = [_log(store) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        numbers = [
            number
            for found in pool.map(lambda log: [_add(log, value).number for value in range(20)], logs)
            for number in found
        ]
    assert sorted(numbers) == list(range(1, 81))
    assert [entry.number for entry in _log(store).entries()] == list(range(1, 81))


class _Died(BaseException):
    """What a killed process does not catch."""


class _DyingDisk(SystemDisk):
    """Dies between the claim and the sync that makes it durable."""

    def __init__(self) -> None:
        self.links = 0

    def link(self, source: str, target: str) -> None:
        super().link(source, target)
        self.links += "/log/" in target

    def sync_folder(self, path: str) -> None:
        if path.endswith("/log") and self.links == 2:
            raise _Died
        super().sync_folder(path)


class _RecordingDisk(SystemDisk):
    """Writes down what happens to names in the log's folder."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def link(self, source: str, target: str) -> None:
        super().link(source, target)
        self.calls.append(f"link {target.rpartition('/')[2]}")

    def sync_folder(self, path: str) -> None:
        super().sync_folder(path)
        if path.endswith("/log"):
            self.calls.append("sync")


@pytest.mark.parametrize("changes_something", [True, False])
def test_entry_of_a_killed_writer_is_durable_before_anything_is_built_on_it(
    tmp_path: Path, *, changes_something: bool
) -> None:
    """Else a power cut could leave entry 3 without entry 2, or take back what was answered with "done already"."""
    dying = _log(LocalStore(tmp_path, disk=_DyingDisk()))
    _add(dying, "a")
    with pytest.raises(_Died):
        _add(dying, "b")
    disk = _RecordingDisk()
    log = _log(LocalStore(tmp_path, disk=disk))
    entry = log.append("add", lambda state: {"value": "c"} if changes_something else None)
    assert (entry is not None) == changes_something
    assert log.refresh().values == ["a", "b", "c"][: 3 if changes_something else 2]
    before_claim = disk.calls[: disk.calls.index("link 0000000003.json")] if changes_something else disk.calls
    assert "sync" in before_claim


def test_own_entries_are_not_synced_twice(tmp_path: Path) -> None:
    disk = _RecordingDisk()
    log = _log(LocalStore(tmp_path, disk=disk))
    _add(log, "a")
    disk.calls.clear()
    _add(log, "b")
    assert disk.calls == ["link 0000000002.json", "sync"]
