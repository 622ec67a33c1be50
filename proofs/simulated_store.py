"""An object store with bad days: lost answers, effects that come late, refusals, listings that lag behind.

It keeps every promise of `ObjectStore` and no more: a put is there for every get at once, one of several claims of a
key wins, `Unavailable` says nothing about whether the effect took place, and a listing may be old.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from headrace.errors import DataCorrupted, NotFound, Unavailable
from headrace.storage.ranges import copy_into
from headrace.storage.store import Arrived, ObjectStat, Range
from proofs.schedules import Actor, Schedule

__all__ = ["Bucket", "SimulatedStore", "Weather"]


@dataclass(frozen=True, slots=True)
class Weather:
    """How often what goes wrong, between 0 and 1."""

    refused: float = 0.0  # 500 and 503: nothing happened
    lost_answer: float = 0.0  # it happened, the answer was a time-out
    late: float = 0.0  # a time-out, and it happens some steps later
    mistaken: float = 0.0  # a claim met its own first try: "taken", although it is ours
    listing_lag: int = 0  # steps until listings show a change, at most


@dataclass(slots=True)
class Bucket:
    """What all actors share."""

    contents: dict[str, tuple[bytes, int]] = field(default_factory=dict)  # key -> bytes, step at which it was written
    listed_from: dict[str, int] = field(default_factory=dict)  # step from which listings show it
    listed_until: dict[str, tuple[bytes, int]] = field(default_factory=dict)  # deleted, but listings show it still


class SimulatedStore:
    """One actor's way to the bucket."""

    def __init__(
        self, bucket: Bucket, schedule: Schedule, actor: Actor, *, weather: Weather, is_local: bool = True
    ) -> None:
        self._bucket = bucket
        self._schedule = schedule
        self._actor = actor
        self._weather = weather
        self._is_local = is_local

    @property
    def uri(self) -> str:
        return "simulated://bucket"

    @property
    def is_local(self) -> bool:
        return self._is_local

    def get(self, key: str) -> bytes:
        with self._actor.speaking:
            self._schedule.step(self._actor)
            self._may_refuse(key)
            found = self._bucket.contents.get(key)
            if found is None:
                raise NotFound(f"object {self.uri}/{key} does not exist")
            return found[0]

    def get_ranges(self, key: str, ranges: Sequence[Range]) -> list[bytes]:
        data = self.get(key)
        if any(end > len(data) for _, end in ranges):
            raise DataCorrupted(f"object {self.uri}/{key} is shorter than recorded")
        return [data[start:end] for start, end in ranges]

    def read_into(
        self, key: str, ranges: Sequence[Range], targets: Sequence[memoryview], *, arrived: Arrived | None = None
    ) -> None:
        copy_into(self, key, ranges, targets, arrived=arrived)

    def put_new(self, key: str, data: bytes | memoryview) -> bool:
        content = bytes(data)
        with self._actor.speaking:
            self._schedule.step(self._actor)
            chance = self._schedule.randomness.random()
            weather = self._weather
            if (chance := chance - weather.refused) < 0:
                raise Unavailable(f"{key}: 503, please slow down")
            if (chance := chance - weather.late) < 0:
                self._schedule.later(self._schedule.randomness.randrange(1, 30), lambda: self._create(key, content))
                raise Unavailable(f"{key}: no answer")
            is_created = self._create(key, content)
            self._schedule.step(self._actor)
            if (chance := chance - weather.lost_answer) < 0:
                raise Unavailable(f"{key}: no answer")
            if chance - weather.mistaken < 0:
                return False
            return is_created

    def put(self, key: str, data: bytes | memoryview) -> None:
        content = bytes(data)
        with self._actor.speaking:
            self._schedule.step(self._actor)
            self._may_refuse(key)
            if self._schedule.randomness.random() < self._weather.late:
                self._schedule.later(self._schedule.randomness.randrange(1, 30), lambda: self._write(key, content))
                raise Unavailable(f"{key}: no answer")
            self._write(key, content)
            self._schedule.step(self._actor)
            if self._schedule.randomness.random() < self._weather.lost_answer:
                raise Unavailable(f"{key}: no answer")

    def put_parts(self, key: str, buffers: Sequence[bytes | memoryview]) -> None:
        self.put(key, b"".join(buffers))

    def stat(self, key: str) -> ObjectStat | None:
        with self._actor.speaking:
            self._schedule.step(self._actor)
            self._may_refuse(key)
            found = self._bucket.contents.get(key)
            return None if found is None else _object_stat(key, *found)

    def list(self, prefix: str, *, start_after: str | None = None) -> Iterator[ObjectStat]:
        with self._actor.speaking:
            self._schedule.step(self._actor)
            self._may_refuse(prefix)
            step = self._schedule.step_count
            bucket = self._bucket
            shown = {key: found for key, found in bucket.contents.items() if bucket.listed_from.get(key, 0) <= step}
            for key, (content, until) in bucket.listed_until.items():
                if until > step:
                    shown.setdefault(key, (content, 0))
            keys = sorted(key for key in shown if key.startswith(prefix) and key > (start_after or ""))
            return iter([_object_stat(key, *shown[key]) for key in keys])

    def delete(self, key: str) -> None:
        with self._actor.speaking:
            self._schedule.step(self._actor)
            self._may_refuse(key)
            found = self._bucket.contents.pop(key, None)
            if found is not None and self._weather.listing_lag:
                self._bucket.listed_until[key] = (found[0], self._lag())

    def prepare_for_writing(self) -> None:
        """Nothing to check."""

    def prepare_for_erasing(self) -> None:
        """Nothing to check."""

    def _may_refuse(self, key: str) -> None:
        if self._schedule.randomness.random() < self._weather.refused:
            raise Unavailable(f"{key}: 503, please slow down")

    def _create(self, key: str, content: bytes) -> bool:
        if key in self._bucket.contents:
            return False
        self._write(key, content)
        return True

    def _write(self, key: str, content: bytes) -> None:
        self._bucket.contents[key] = (content, self._schedule.step_count)
        if self._weather.listing_lag:
            self._bucket.listed_from[key] = self._lag()

    def _lag(self) -> int:
        return self._schedule.step_count + self._schedule.randomness.randrange(self._weather.listing_lag + 1)


def _object_stat(key: str, content: bytes, step: int) -> ObjectStat:
    return ObjectStat(key, len(content), f"{step}-{len(content)}", 1_700_000_000.0 + step)
