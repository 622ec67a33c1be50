"""CSV as the training views write it: RFC 4180, every field quoted, LF, UTF-8."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["quoted_row"]


def quoted_row(fields: Iterable[object]) -> str:
    '''One line with its line end: `"a","say ""hi"""`.'''
    return ",".join('"' + str(field).replace('"', '""') + '"' for field in fields) + "\n"
