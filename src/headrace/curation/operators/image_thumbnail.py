"""Small pictures by which identities are checked."""

from __future__ import annotations

from headrace.curation.identity.thumbnails import THUMBNAIL_TYPE, thumbnail_numbers, thumbnail_of
from headrace.curation.media import Media
from headrace.curation.operator import operator

__all__ = ["image_thumbnail"]


@operator(
    name="image.thumbnail",
    version=1,
    outputs={"thumbnail": THUMBNAIL_TYPE},
    library="pillow",
    oracle="numpy",
    gil_free=True,
)
def image_thumbnail(image: Media) -> list[int]:
    """The picture in 6,144 bytes, for `identity.assign` to compare with others, and for nothing else.

    The whole picture is drawn to a square and averaged by area (Pillow's BOX filter): luma of 64 x 64 pixels, then Cb
    and Cr of 32 x 32 each, row by row, a byte each. Kept with the hashes of what was seen, it lets new pictures be
    compared with old ones whose files are not read again.
    """
    return thumbnail_numbers(thumbnail_of(image.pixels()))
