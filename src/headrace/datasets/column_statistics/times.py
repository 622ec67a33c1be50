"""Dates, times, timestamps and durations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from headrace.datasets.column_statistics.counted import CountedStatistics
from headrace.datasets.column_statistics.summaries import numbers_of
from headrace.storage.canonical import JsonValue

__all__ = ["TimeStatistics"]

_UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class TimeStatistics(CountedStatistics):
    """Dates, times, timestamps (in UTC where there is a zone) and durations, shown in ISO 8601."""

    def _add(self, values: pa.Array) -> None:
        integers = pa.int32() if self._kind.bit_width == 32 else pa.int64()
        self._counts.add(numbers_of(values.view(integers)))

    def _describe(self) -> dict[str, JsonValue]:
        return {**self._extremes(), "quantiles": self._quantiles()}

    def _value(self, number: Any) -> str:
        """Without datetime, which knows neither nanoseconds nor years beyond 9999."""
        count = int(number)
        types = pa.types
        if types.is_date32(self._kind):
            return _date_text(count)
        if types.is_date64(self._kind):
            return _date_text(count // 86_400_000)
        per_second = _UNITS_PER_SECOND[self._kind.unit]
        if types.is_duration(self._kind):
            sign, count = ("-", -count) if count < 0 else ("", count)
            return f"{sign}PT{count // per_second}{_fraction(count % per_second, per_second)}S"
        if types.is_time(self._kind):
            return _clock_text(count, per_second)
        days, rest = divmod(count, 86_400 * per_second)
        return f"{_date_text(days)}T{_clock_text(rest, per_second)}" + ("Z" if self._kind.tz else "")


def _date_text(days: int) -> str:
    """Day since 1970 as YYYY-MM-DD; the algorithm of H. Hinnant, https://howardhinnant.github.io/date_algorithms.html."""
    if 0 <= days <= 2_932_896:
        return datetime.fromtimestamp(days * 86_400, UTC).date().isoformat()
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    text = f"{year:04d}" if year >= 0 else f"-{-year:04d}"
    return f"{text}-{month:02d}-{day:02d}"


def _clock_text(count: int, per_second: int) -> str:
    seconds, rest = divmod(count, per_second)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{_fraction(rest, per_second)}"


def _fraction(rest: int, per_second: int) -> str:
    if not rest:
        return ""
    return "." + str(rest).rjust(len(str(per_second)) - 1, "0").rstrip("0")
