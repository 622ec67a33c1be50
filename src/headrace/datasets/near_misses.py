"""Suggestions for names that do not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["suggest"]


def suggest(name: str, known: Iterable[str]) -> str:
    """Give `; did you mean "label"?`, or what there is, or nothing."""
    names = sorted(known)
    by_fold = {candidate.casefold(): candidate for candidate in names}
    near = difflib.get_close_matches(name.casefold(), list(by_fold), n=1, cutoff=0.6)
    if near:
        return f'; did you mean "{by_fold[near[0]]}"?'
    if not names:
        return ""
    shown = ", ".join(f'"{candidate}"' for candidate in names[:12])
    return f"; there are {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")
