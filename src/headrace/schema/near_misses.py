"""Suggestions for names that do not exist: one measure and one wording for all messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["did_you_mean", "near_miss", "near_miss_or_known", "nearest"]

_CUTOFF = 0.6  # share of letters that must agree
_MAX_LISTED = 12


def nearest(name: str, known: Iterable[str], *, limit: int = 1) -> list[str]:
    """The known names most like this one, best first; upper and lower case are alike."""
    from difflib import get_close_matches  # only where something went wrong

    by_fold = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    return [by_fold[fold] for fold in get_close_matches(name.casefold(), by_fold, n=limit, cutoff=_CUTOFF)]


def did_you_mean(names: Sequence[str]) -> str:
    """ " Did you mean 'x' or 'y'?" for the end of a message; empty for no names."""
    return f" Did you mean {' or '.join(repr(name) for name in names)}?" if names else ""


def near_miss(name: str, known: Iterable[str], *, limit: int = 1) -> str:
    """ " Did you mean 'x'?" when a known name is close, else an empty string; for the end of a message."""
    return did_you_mean(nearest(name, known, limit=limit))


def near_miss_or_known(name: str, known: Iterable[str]) -> str:
    """As `near_miss`; " There are 'x', 'y'." when none is close."""
    names = sorted(known)
    hint = near_miss(name, names)
    if hint or not names:
        return hint
    shown = ", ".join(repr(candidate) for candidate in names[:_MAX_LISTED])
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f" There are {shown}{more}."
