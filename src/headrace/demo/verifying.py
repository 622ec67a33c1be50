"""The last step: the log and all stored bytes."""

from __future__ import annotations

from headrace.demo.steps import Figures
from headrace.demo.workspace import DigitsWorkspace
from headrace.errors import DataCorrupted

__all__ = ["verify_lake"]


def verify_lake(work: DigitsWorkspace) -> Figures:
    """Read everything that is stored."""
    report = work.lake.verify()
    if not report.ok:
        raise DataCorrupted(f"the lake at {work.lake_path} is damaged: {report.problems[0].message}")
    work.say(
        f"{report.num_entries} log entries, {report.num_objects} objects, {report.num_rows:,} rows, "
        f"{report.num_bytes / 1e6:.1f} MB: nothing is damaged"
    )
    return {
        "ok": report.ok,
        "num_entries": report.num_entries,
        "num_objects": report.num_objects,
        "num_rows": report.num_rows,
        "num_bytes": report.num_bytes,
        "problems": len(report.problems),
    }
