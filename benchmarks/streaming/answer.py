"""From measurements to a table and bars."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks.measurement import Bar, Outcome
from benchmarks.streaming.children import Answer
from benchmarks.streaming.contestants.field import FIELD, FILES, OURS, OURS_BESIDE

__all__ = ["LIMIT", "Results", "judge"]

LIMIT = "limit of two threads"
QUESTION = "Streaming: shuffled photos of about 24 KB to a trainer, 2 workers, batches of 64"

_PEERS = tuple(entry.name for entry in FIELD if not entry.is_ours)


@dataclass(slots=True)
class Results:
    """All answers of all rounds."""

    num_photos: int
    num_bytes: int
    machine: Mapping[str, str | int | float]
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)  # contestant to reason
    answers: dict[str, list[Answer]] = field(default_factory=dict)  # by contestant
    num_rounds: int = 0

    def add(self, name: str, answers: Sequence[Answer]) -> None:
        """Take over what one process said."""
        self.answers.setdefault(name, []).extend(answers)

    def values(self, name: str, task: str, what: str) -> list[float]:
        """Of all rounds in which the task was done."""
        return [
            float(answer.measured[what])
            for answer in self.answers.get(name, [])
            if answer.task == task and answer.failure is None and answer.measured.get(what) is not None
        ]

    def median(self, name: str, task: str, what: str) -> float | None:
        """None where it was never measured."""
        found = self.values(name, task, what)
        return statistics.median(found) if found else None

    def last(self, name: str, task: str) -> Answer | None:
        """The last answer to a task."""
        return next((answer for answer in reversed(self.answers.get(name, [])) if answer.task == task), None)

    def best_peer(self, task: str, what: str) -> tuple[str, float]:
        """The peer with the highest median; ("nobody", 0) if none was measured."""
        medians = [(name, self.median(name, task, what)) for name in _PEERS]
        return max(
            ((name, value) for name, value in medians if value), key=lambda pair: pair[1], default=("nobody", 0.0)
        )


def judge(results: Results) -> Outcome:
    """The table, the bars, and for each missed bar what our loader says about itself."""
    bars = _bars(results)
    table = [*_table(results), *(_verdict(bar) for bar in bars)]
    explained = [] if all(bar.is_met for bar in bars) else _explanation(results)
    print(f"\n{QUESTION}")
    for line in [*table, *explained]:
        print(f"  {line}")
    document: dict[str, object] = {
        "format": 1,
        "question": QUESTION,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": dict(results.machine),
        "versions": results.versions,
        "facts": {"photos": results.num_photos, "bytes": results.num_bytes, "rounds": results.num_rounds},
        "absent": results.absent,
        "answers": {name: [asdict(answer) for answer in answers] for name, answers in results.answers.items()},
        "bars": [{**asdict(bar), "measured": round(bar.measured, 6), "is_met": bar.is_met} for bar in bars],
    }
    return Outcome(bars, table, document)


def _verdict(bar: Bar) -> str:
    return f"{'met   ' if bar.is_met else 'MISSED'}  {bar.text}: {bar.amount}"


# -- bars -------------------------------------------------------------------------------------------------------------


def _bars(results: Results) -> list[Bar]:
    """One for each promise; what could not be measured counts as missed."""
    missing = float("nan")  # compares as missed with everything
    never = float("inf")

    def ratio(above: float | None, below: float | None) -> float:
        return missing if above is None or not below else above / below

    def ours(task: str, what: str) -> float | None:
        return results.median(OURS, task, what)

    rate = "samples_per_second"
    decode_peer, best_decode = results.best_peer("decode", rate)
    raw_peer, best_raw = results.best_peer("raw", rate)
    limit = ratio(ours("decode", rate), results.median(LIMIT, "limit_decode", rate))
    bars = [
        Bar(
            f"decoded, against {decode_peer}, at least 1.6x",
            ratio(ours("decode", rate), best_decode),
            1.6,
            "at least",
            "x",
        ),
        Bar("decoded, at least 85 % of two threads' limit", 100 * limit, 85.0, "at least", "%"),
        Bar(f"raw bytes, against {raw_peer}, at least 2x", ratio(ours("raw", rate), best_raw), 2.0, "at least", "x"),
    ]
    for what, name in (("p50_us", "p50"), ("p99_us", "p99")):
        measured = ratio(ours("random", what), results.median(FILES, "random", what))
        bars.append(Bar(f"random access, {name}, at most plain files'", measured, 1.0, "at most", "x"))
    for name in (OURS, OURS_BESIDE):
        wrong = [
            answer
            for answer in results.answers.get(name, [])
            if answer.task == "resume" and (answer.failure is not None or not answer.measured["is_exact"])
        ]
        tries = sum(answer.task == "resume" for answer in results.answers.get(name, []))
        amount = len(wrong) if tries else never
        bars.append(Bar(f"resume at 80 %, {name}: tries that are not exact, of {tries}", amount, 0, "at most", ""))
    resumed = ours("resume", "seconds")
    bars.append(Bar("resume: first batch, under 50 ms", never if resumed is None else resumed, 0.05, "under", "s"))
    first = ours("index_new", "seconds")
    again = ours("index_again", "seconds")
    for when, seconds in (("when it is opened for the first time", first), ("when it was opened before", again)):
        name = f"2M rows: first batch under 0.5 s {when}"
        bars.append(Bar(name, never if seconds is None else seconds, 0.5, "under", "s"))
    memory = ratio(ours("decode", "memory_bytes"), results.median(FILES, "decode", "memory_bytes"))
    bars.append(Bar("memory of all processes, at most plain files' + 25 %", memory, 1.25, "at most", "x"))
    bars.append(Bar("training step, slower than beside foreign decoding, under 2 %", _slowdown(results, "subprocess"),
                    2.0, "under", "%"))  # fmt: skip
    return bars


def _slowdown(results: Results, mode: str, *, against: str = "foreign") -> float:
    """Percent that a step takes longer; nan if it was not measured."""
    answer = results.last("step", "step")
    if answer is None or answer.failure is not None:
        return float("nan")
    milliseconds = answer.measured["milliseconds"]
    return 100 * (float(milliseconds[mode]) / float(milliseconds[against]) - 1)


# -- table ------------------------------------------------------------------------------------------------------------

_COLUMNS: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("decoded/s", "decode", "samples_per_second", lambda value: f"{value:,.0f}"),
    ("raw/s", "raw", "samples_per_second", lambda value: f"{value:,.0f}"),
    ("first batch", "decode", "first_batch_seconds", lambda value: f"{value:.2f} s"),
    ("mixing", "decode", "mixing", lambda value: f"{value:.1f}/20"),
    ("row p50", "random", "p50_us", lambda value: f"{value:,.0f} us"),
    ("row p99", "random", "p99_us", lambda value: f"{value:,.0f} us"),
    ("memory", "decode", "memory_bytes", lambda value: f"{value / 1e6:,.0f} MB"),
)


def _table(results: Results) -> list[str]:
    names = [entry.name for entry in FIELD if entry.name in results.answers or entry.name in results.absent]
    width = max(len(name) for name in [*names, LIMIT])
    heading = "".join(f"  {title:>13}" for title, *_ in _COLUMNS)
    lines = [f"{'':{width}}{heading}  resume at 80 %"]
    for name in names:
        if name in results.absent:
            lines.append(f"{name:{width}}  {results.absent[name]}")
            continue
        cells = "".join(f"  {_cell(results, name, task, what, form):>13}" for _, task, what, form in _COLUMNS)
        lines.append(f"{name:{width}}{cells}  {_resume(results, name)}")
    limits = [results.median(LIMIT, task, "samples_per_second") for task in ("limit_decode", "limit_raw")]
    lines.append(f"{LIMIT:{width}}" + "".join(f"  {value or 0:>13,.0f}" for value in limits))
    for text, name, task in (
        ("2M rows, headrace, first time", OURS, "index_new"),
        ("2M rows, headrace, again", OURS, "index_again"),
        (f"2M rows, {FILES}", FILES, "index_files"),
    ):
        value = results.median(name, task, "seconds")
        answer = results.last(name, task)
        why = "" if answer is None else answer.failure or ""
        lines.append(f"{text}: {f'{value:.2f} s' if value is not None else f'failed: {why}'}")
    step = results.last("step", "step")
    if step is not None and step.failure is None:
        lines.append("training step: " + ", ".join(f"{k} {v:.1f} ms" for k, v in step.measured["milliseconds"].items()))
        lines.append(
            f"  slower than beside foreign decoding: subprocess {_slowdown(results, 'subprocess'):+.1f} %, threads "
            f"{_slowdown(results, 'threads'):+.1f} %; foreign decoding slows it by "
            f"{_slowdown(results, 'foreign', against='alone'):+.1f} %"
        )
    elif step is not None:
        lines.append(f"training step: failed: {step.failure}")
    for name, answers in results.answers.items():
        for task in dict.fromkeys(answer.task for answer in answers if answer.failure is not None):
            failure = next(answer.failure for answer in answers if answer.task == task and answer.failure is not None)
            lines.append(f"{name}, {task} failed: {failure[:160]}")
    return lines


def _cell(results: Results, name: str, task: str, what: str, form: Callable[[float], str]) -> str:
    value = results.median(name, task, what)
    if value is not None:
        return form(value)
    answer = results.last(name, task)
    return "failed" if answer is not None and answer.failure is not None else "-"


def _resume(results: Results, name: str) -> str:
    answer = results.last(name, "resume")
    if answer is None or not answer.is_offered:
        return "-"
    if answer.failure is not None:
        return "refused"
    milliseconds = 1e3 * (results.median(name, "resume", "seconds") or 0.0)
    measured = answer.measured
    if measured["is_exact"]:
        return f"exact, {milliseconds:.0f} ms"
    if measured["num_repeated"] == 0 and measured["num_lost"] == 0:
        return f"same rest in another order, {milliseconds:.0f} ms"
    return f"{measured['num_repeated']:,} repeated, {measured['num_lost']:,} lost, {milliseconds:.0f} ms"


def _explanation(results: Results) -> list[str]:
    """Where our loader's time went, by its own statistics."""
    lines = []
    for name in (OURS, OURS_BESIDE):
        for task in ("decode", "raw"):
            answer = results.last(name, task)
            found: Any = None if answer is None else answer.measured.get("statistics")
            if not found:
                continue
            stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in found["stage_seconds"].items())
            lines.append(
                f"{name}, {task}: bottleneck {found['bottleneck']}; {stages} in {found['num_workers']} workers; waited "
                f"{found['wait_seconds']:.2f} s of {found['work_seconds']:.2f} s"
            )
    return lines
