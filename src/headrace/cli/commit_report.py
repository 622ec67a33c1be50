"""What `commit` and `dataset create` say of a new commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.cli.output import Output
from headrace.cli.tables import printable
from headrace.cli.wording import format_rows, format_tags
from headrace.units import format_bytes, format_count

if TYPE_CHECKING:
    from headrace.datasets.commit import Commit
    from headrace.datasets.watching import RefusedFiles

__all__ = ["commit_fields", "warn_of_refused_files", "warn_of_rejected_rows"]

_SHOWN_REJECTED = 5  # rows named on the terminal


def commit_fields(commit: Commit) -> list[tuple[str, object]]:
    """Names and values for people; None where the dataset has no such thing."""
    statistics = commit.statistics
    num_duplicates = statistics.get("num_duplicate_rows") or 0
    num_labels = statistics.get("num_labels")
    return [
        ("commit", commit.id),
        ("rows", format_count(commit.num_rows)),
        ("labels", format_count(num_labels) if num_labels else None),
        ("media", format_bytes(commit.num_bytes) if commit.num_bytes else None),
        ("duplicates", f"{format_rows(num_duplicates)} equal to an earlier one" if num_duplicates else None),
        ("left out", format_rows(commit.num_rejected) if commit.num_rejected else None),
        ("tags", format_tags(commit.tag_pairs) or None),
        ("digest", commit.digest),
    ]


def warn_of_rejected_rows(output: Output, commit: Commit) -> None:
    """Name the first rows that `--on-invalid skip` left out, with their places and reasons."""
    if not commit.num_rejected:
        return
    output.warn(f"{format_rows(commit.num_rejected)} left out, as --on-invalid skip asks:")
    for row in commit.rejected[:_SHOWN_REJECTED]:
        place = row.member or row.origin_uri
        if row.line is not None:
            place += f":{row.line}"
        # Most reasons name the place themselves.
        reason = row.reason if place in row.reason else f"{place}: {row.reason}"
        output.note(f"  {printable(reason)}")
    if commit.num_rejected > _SHOWN_REJECTED:
        output.note(f"  and {format_rows(commit.num_rejected - _SHOWN_REJECTED)} more; --json lists them")


def warn_of_refused_files(output: Output, files: RefusedFiles) -> None:
    """Name a file that `--on-invalid skip` left out as a whole, with the others of its sample, and the reason."""
    paths = ", ".join(files.paths)
    # Most reasons name the file themselves.
    reason = files.reason if paths in files.reason else f"{paths}: {files.reason}"
    output.warn(f"left out, as --on-invalid skip asks: {printable(reason)}")
