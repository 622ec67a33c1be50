"""What `materialise` and `export` say of the files they wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.cli.output import Output
from headrace.cli.tables import Column
from headrace.units import format_bytes, format_count

if TYPE_CHECKING:
    from headrace.datasets.view_folder import View

__all__ = ["report_view"]

_SHOWN_FILES = 10


def report_view(output: Output, view: View, *, form: str) -> None:
    """Where the files lie and how large they are; all of them with `--json`."""
    num_bytes = sum(file.size for file in view.files)
    if output.is_json:
        output.document(
            {
                "uri": view.uri,
                "format": form,
                "snapshot": view.snapshot_id,
                "num_files": len(view.files),
                "num_bytes": num_bytes,
                "files": [{"name": file.name, "size": file.size} for file in view.files],
            }
        )
        return
    output.fields(
        [
            ("folder", view.uri),
            ("format", form),
            ("snapshot", view.snapshot_id),
            ("files", format_count(len(view.files))),
            ("size", format_bytes(num_bytes)),
        ]
    )
    output.line()
    output.table(
        [Column("file"), Column("size", align="right", is_whole=True)],
        [(file.name, format_bytes(file.size)) for file in view.files[:_SHOWN_FILES]],
    )
    if len(view.files) > _SHOWN_FILES:
        output.note(f"and {format_count(len(view.files) - _SHOWN_FILES)} more files; --json lists them")
