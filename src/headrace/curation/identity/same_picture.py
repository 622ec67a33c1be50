"""Whether two pictures are the same one, or one of them has another face, colour or thing in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headrace.curation.identity.alignment import UNMOVED, align, sampled, smoothed
from headrace.curation.identity.pairs import Pairs
from headrace.curation.identity.thumbnails import ThumbnailColumn, Thumbnails

__all__ = ["SamePicture", "largest_changes"]

_PAIRS_AT_ONCE: Final = 128  # some 100 MB
_MARGIN: Final = 3 / 32  # of each side, where platforms put marks and cuts leave edges
# Of the contrast around a pixel: what lines that are off by a quarter of a pixel differ by.
_CONTRAST_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class SamePicture:
    """Thumbnails that differ nowhere by much, once one is laid over the other."""

    thumbnails: ThumbnailColumn
    max_change: float

    def holds(self, pairs: Pairs) -> NDArray[np.bool_]:
        """See `PairCheck`."""
        held = np.zeros(len(pairs[0]), dtype=np.bool_)
        # The first of two is the smaller item, so that the result does not depend on who comes first.
        low, high = np.minimum(*pairs), np.maximum(*pairs)
        for start in range(0, len(held), _PAIRS_AT_ONCE):
            block = slice(start, start + _PAIRS_AT_ONCE)
            ours, theirs = (Thumbnails.of_bytes(self.thumbnails.of(side[block])) for side in (low, high))
            held[block] = largest_changes(ours, theirs, enough=self.max_change) <= self.max_change
        return held


def largest_changes(
    ours: Thumbnails,  # of num_pairs pictures
    theirs: Thumbnails,  # of as many
    *,
    enough: float = 0.0,
) -> NDArray[np.float64]:  # [num_pairs]
    """By how many of 255 levels the spot differs in which two pictures differ most; a spot is a 32nd of a side.

    Brightness and colours are looked at, away from the margins, with one picture laid over the other. What a shift of
    less than a pixel explains is no difference.

    Args:
        enough: Where pictures differ by no more without being moved, they are not.
    """
    found = _changes(ours, theirs, np.tile(UNMOVED, (len(ours.luma), 1)))
    far = np.flatnonzero(found > enough)
    if len(far):
        left = Thumbnails(ours.luma[far], ours.colours[far])
        right = Thumbnails(theirs.luma[far], theirs.colours[far])
        found[far] = np.minimum(found[far], _changes(left, right, align(left.luma, right.luma)))
    return found


def _changes(ours: Thumbnails, theirs: Thumbnails, places: NDArray[np.float64]) -> NDArray[np.float64]:
    found = _plane_changes(ours.luma, theirs.luma, places)
    for plane in range(ours.colours.shape[1]):
        changes = _plane_changes(ours.colours[:, plane], theirs.colours[:, plane], places)
        found = np.maximum(found, changes)
    return found.astype(np.float64)


def _plane_changes(
    ours: NDArray[np.float32],  # [num_pairs, side, side]
    theirs: NDArray[np.float32],  # [num_pairs, side, side]
    places: NDArray[np.float64],  # [num_pairs, 4]
) -> NDArray[np.float32]:  # [num_pairs]
    ours = smoothed(ours)
    over, is_compared = sampled(smoothed(theirs), places)
    edge = round(ours.shape[1] * _MARGIN)
    is_compared[:, :edge] = is_compared[:, -edge:] = False
    is_compared[:, :, :edge] = is_compared[:, :, -edge:] = False
    explained = _CONTRAST_SHARE * np.minimum(_contrasts(ours), _contrasts(over))
    changes = np.where(is_compared, np.maximum(np.abs(ours - over) - explained, 0), 0).astype(np.float32)
    found: NDArray[np.float32] = smoothed(changes).max(axis=(1, 2))
    return found


def _contrasts(
    pictures: NDArray[np.float32],  # [num_pairs, side, side]
) -> NDArray[np.float32]:
    """The largest less the smallest of the 3 x 3 pixels around each."""
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
    side = pictures.shape[1]
    # Rows first, then columns: the largest of nine are the largest of three largest.
    high = np.maximum(np.maximum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    low = np.minimum(np.minimum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    high = np.maximum(np.maximum(high[:, :, :side], high[:, :, 1:-1]), high[:, :, 2:])
    low = np.minimum(np.minimum(low[:, :, :side], low[:, :, 1:-1]), low[:, :, 2:])
    return high - low
