"""What the stages of a run did with their rows: counts, histograms as text, samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from headrace.cli.tables import PLAIN_WIDTH, Column
from headrace.units import format_count

if TYPE_CHECKING:
    from headrace.cli.output import Output
    from headrace.curation.run_records import RunRecord
    from headrace.curation.stage_histogram import StageHistogram
    from headrace.curation.stage_summary import StageCounts, StageSample, StageSummary

__all__ = ["STAGE_COLUMNS", "histogram_lines", "print_stage_summary", "print_stages"]

STAGE_COLUMNS = (
    Column("stage", is_whole=True),
    Column("rows in", "right", is_whole=True),
    Column("rows out", "right", is_whole=True),
    Column("dropped", "right", is_whole=True),
    Column("quarantined", "right", is_whole=True),
)
"""Headings of a table with a line for each stage."""

_KEPT, _DROPPED = "█", "░"
_MAX_HISTOGRAMS = 12  # on the terminal; --json has all
_MAX_VALUES = 6  # columns of a kept sample
_LETTERS = 40


def print_stages(output: Output, record: RunRecord, stages: Sequence[StageCounts]) -> None:
    """All stages of a run in short."""
    if output.is_json:
        output.document(
            {
                "run_id": record.run_id,
                "recipe": record.recipe,
                "plan_hash": record.plan_hash,
                "stages": [stage.to_json() for stage in stages],
            }
        )
        return
    output.fields([("run", record.run_id), ("recipe", record.recipe), ("state", record.state)])
    output.line()
    output.table(
        STAGE_COLUMNS,
        [
            (
                stage.stage,
                format_count(stage.rows_in),
                format_count(stage.rows_out),
                format_count(stage.num_dropped),
                format_count(stage.num_quarantined),
            )
            for stage in stages
        ],
    )
    reasons = [(stage.stage, *reason) for stage in stages for reason in _reasons(stage)]
    if reasons:
        output.line()
        output.table([Column("stage", is_whole=True), *_REASON_COLUMNS], reasons)


def print_stage_summary(output: Output, summary: StageSummary) -> None:
    """One stage in full."""
    if output.is_json:
        output.document(summary.to_json())
        return
    counts = summary.counts
    output.fields(
        [
            ("stage", counts.stage),
            ("what", counts.what),
            ("run", summary.run_id),
            ("rows in", format_count(counts.rows_in)),
            ("rows out", format_count(counts.rows_out)),
            ("dropped", format_count(counts.num_dropped)),
            ("quarantined", format_count(counts.num_quarantined)),
        ]
    )
    reasons = list(_reasons(counts))
    if reasons:
        output.line()
        output.table(_REASON_COLUMNS, reasons)
    for histogram in summary.histograms[:_MAX_HISTOGRAMS]:
        output.line()
        for line in histogram_lines(histogram):
            output.line(line)
    if len(summary.histograms) > _MAX_HISTOGRAMS:
        rest = ", ".join(histogram.column for histogram in summary.histograms[_MAX_HISTOGRAMS:])
        output.note(f"with --json also: {rest}")
    _print_samples(output, summary)


def histogram_lines(histogram: StageHistogram, *, width: int = PLAIN_WIDTH) -> Iterator[str]:
    """A line for each bin, kept rows and dropped rows in one bar, and a line where the cut is."""
    names = [_number(edge) for edge in histogram.edges]
    longest = max(len(name) for name in names)
    sides = [side for side in (histogram.kept, histogram.dropped) if side is not None]
    headings = [name for name, side in (("kept", histogram.kept), ("dropped", histogram.dropped)) if side is not None]
    figures = [[format_count(count) for count in side] for side in sides]
    widths = [max(len(heading), *(len(text) for text in column)) for heading, column in zip(headings, figures)]
    legend = f"{_KEPT} kept" if histogram.dropped is None else f"{_KEPT} kept  {_DROPPED} dropped"
    if histogram.kept is None:
        legend = f"{_DROPPED} dropped"
    scale = ", log scale" if histogram.scale == "log" else ""
    yield _fitted(f"{histogram.column}{scale}   {legend}", width)
    head = "  ".join(heading.rjust(size) for heading, size in zip(headings, widths))
    yield f"{'from'.rjust(longest)}  {head}"
    room = max(width - longest - 2 - sum(size + 2 for size in widths), 10)
    nothing = (0,) * (len(histogram.edges) - 1)
    kept, dropped = histogram.kept or nothing, histogram.dropped or nothing
    most = max((one + other for one, other in zip(kept, dropped)), default=0) or 1
    for place in range(len(nothing) + 1):
        for cut, below in histogram.cuts:
            if below == place:
                yield _fitted(f"{'─' * (longest + 2)} cut: {cut.text} ", width).ljust(width, "─")
        if place == len(nothing):
            break
        counts = "  ".join(column[place].rjust(size) for column, size in zip(figures, widths))
        bar = _bar(kept[place], dropped[place], most=most, room=room)
        yield f"{names[place].rjust(longest)}  {counts}  {bar}".rstrip()
    yield f"{names[-1].rjust(longest)}  is the greatest value"
    missing = [
        f"{format_count(count)} {name}"
        for name, count in (("kept", histogram.kept_missing), ("dropped", histogram.dropped_missing))
        if count
    ]
    if missing:
        yield f"without a value: {', '.join(missing)}"


_REASON_COLUMNS = [
    Column("rows", "right", is_whole=True),
    Column("fate", is_whole=True),
    Column("operator", is_whole=True),
    Column("why"),
    Column("threshold", is_whole=True),
]


def _reasons(stage: StageCounts) -> Iterator[tuple[str, str, str, str, str]]:
    """rows, fate, operator, why and threshold."""
    if stage.dropped is None:
        if stage.num_dropped or stage.num_quarantined:
            count = format_count(stage.num_dropped + stage.num_quarantined)
            yield count, "left", "", "why is not kept any more; run the recipe again", ""
        return
    for group in stage.dropped:
        yield format_count(group.num_rows), "dropped", group.operator, group.reason, group.threshold or ""
    for failure in stage.quarantined or ():
        yield format_count(failure.num_rows), "quarantined", failure.operator, failure.error_class, ""


def _print_samples(output: Output, summary: StageSummary) -> None:
    if summary.dropped:
        output.line()
        output.table(
            [Column("dropped", is_whole=True), Column("value"), Column("threshold"), Column("why")],
            [(sample.id, _measured(sample.value), sample.threshold, sample.reason) for sample in summary.dropped],
        )
    if summary.kept:
        names = _told_columns(summary)
        output.line()
        output.table(
            [Column("kept", is_whole=True), *(Column(name) for name in names)],
            [(_name(sample), *(_text(sample.values.get(name)) for name in names)) for sample in summary.kept],
        )


def _told_columns(summary: StageSummary) -> list[str]:
    """The columns that the stage is about, else the first ones."""
    known = list(summary.kept[0].values)
    measured = [histogram.column.partition(".")[0] for histogram in summary.histograms]
    about = [name for name in dict.fromkeys(measured) if name in known]
    return (about or known)[:_MAX_VALUES]


def _name(sample: StageSample) -> str:
    return "-" if sample.id is None else sample.id


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping) and "size" in value:
        shape = f" {value['width']} x {value['height']}" if value.get("width") else ""
        return f"{value.get('format') or 'media'}{shape} {value['size']:,} B"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"


def _measured(value: str | None) -> str:
    """A value as it was written down, long fractions cut."""
    if value is None or len(value) <= 12:
        return value or ""
    try:
        return f"{float(value):.6g}"
    except ValueError:
        return value


def _bar(kept: int, dropped: int, *, most: int, room: int) -> str:
    """One character stands for most / room rows; rows that are there are never shown as none."""
    whole = max(round((kept + dropped) * room / most), 1) if kept + dropped else 0
    if not whole:
        return ""
    light = round(whole * dropped / (kept + dropped))
    if dropped and kept and whole > 1:
        light = min(max(light, 1), whole - 1)
    return _KEPT * (whole - light) + _DROPPED * light


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"


def _fitted(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
