"""Rows of pictures of which it is known which show the same, with all that identities are found by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from blake3 import blake3
from numpy.typing import NDArray

from headrace.curation.identity.thumbnails import THUMBNAIL_TYPE, Thumbnails, thumbnail_numbers, thumbnail_of
from headrace.curation.media import Media
from headrace.curation.operators.image_phash import image_phash
from proofs.truth.drawings import DETAILS, Detail, amateur, drawing, platform_copy

__all__ = ["PLATFORMS", "SETTINGS", "PictureFile", "files_of", "layout_vector", "picture_table"]

PLATFORMS: Final = ("danbooru", "twitter", "pixiv", "gelbooru")
SETTINGS: Final[dict[str, Any]] = {
    "content": "content",
    "phash": "phash",
    "radius": 8,
    "embedding": "vector",
    "least_cosine": 0.9,
    "candidate_cosine": 0.95,
    "thumbnail": "thumbnail",
}
"""Of `identity.assign`, as a recipe for drawings has them"""

_CELLS: Final = 6


@dataclass(frozen=True, slots=True)
class PictureFile:
    """One file of one platform.

    Attributes:
        shows: What it shows; files with the same text show the same.
        drawing: The drawing that this is, or is a variant of.
    """

    shows: str
    drawing: int
    detail: Detail
    platform: str
    is_amateur: bool = False

    def data(self, *, seed: int) -> bytes:
        """The file's bytes."""
        image = amateur(self.drawing) if self.is_amateur else drawing(self.drawing, detail=self.detail)
        place = PLATFORMS.index(self.platform) + 10 * (DETAILS.index(self.detail) + 1 if self.detail else 0)
        return platform_copy(image, self.platform, seed=(seed * 1_000_003 + self.drawing) * 1_000 + place)


def files_of(num_drawings: int, *, seed: int) -> list[PictureFile]:
    """Each drawing on two to four platforms, two of three with a variant on two; and a third as many amateurs."""
    random = np.random.default_rng([seed, 7])
    files: list[PictureFile] = []
    for number in range(num_drawings):
        name = seed * 10_000_000 + number
        details: list[tuple[Detail, int]] = [("", int(random.integers(2, 5)))]
        if number % 3:
            details.append((DETAILS[number % len(DETAILS)], 2))
        for detail, count in details:
            platforms = random.permutation(len(PLATFORMS))[:count].tolist()
            files += [PictureFile(f"{name}/{detail}", name, detail, PLATFORMS[platform]) for platform in platforms]
        if number % 3 == 0:
            platforms = random.permutation(len(PLATFORMS))[: int(random.integers(1, 3))].tolist()
            shows = f"amateur {name}"
            files += [PictureFile(shows, name, "", PLATFORMS[each], is_amateur=True) for each in platforms]
    return files


def picture_table(files: list[PictureFile], *, seed: int) -> pa.Table:
    """What a recipe knows of each file before identities are found, and `shows`, the truth."""
    random = np.random.default_rng([seed, 8])
    contents, hashes, thumbnails, vectors = [], [], [], []
    for file in files:
        data = file.data(seed=seed)
        media = Media(data)
        contents.append(blake3(data).hexdigest())
        hashes.append(image_phash(media))
        thumbnails.append(thumbnail_of(media.pixels()))
        vectors.append(layout_vector(thumbnails[-1]))
    return pa.table(
        {
            "_id": [f"{number:07d}" for number in random.permutation(len(files))],
            "shows": [file.shows for file in files],
            "content": contents,
            "phash": pa.array(hashes, pa.uint64()),
            "vector": pa.array([vector.tolist() for vector in vectors], pa.list_(pa.float32())),
            "thumbnail": pa.array([thumbnail_numbers(each) for each in thumbnails], THUMBNAIL_TYPE),
            "before": pa.nulls(len(files), pa.string()),
        }
    )


def layout_vector(
    thumbnail: bytes,
) -> NDArray[np.float32]:  # [108]
    """Where a picture is bright and which colour it has there: stands for a model's embedding, which it is worse than.

    Like a model's it moves little when a picture is cut a bit, and little when a face in it is another one.
    """
    found = Thumbnails.of_bytes(np.frombuffer(thumbnail, dtype=np.uint8)[None])
    planes = [found.luma[0], found.colours[0, 0], found.colours[0, 1]]
    parts = []
    for plane, weight in zip(planes, (1.0, 1.5, 1.5)):
        places = (np.arange(len(plane)) + 0.5) / len(plane)
        centres = (np.arange(_CELLS) + 0.5) / _CELLS
        near = np.exp(-0.5 * ((places - centres[:, None]) * _CELLS / 0.8) ** 2)  # [cells, side]
        near /= near.sum(axis=1, keepdims=True)
        cells = near @ plane.astype(np.float64) @ near.T
        parts.append(weight * (cells - cells.mean()).reshape(-1))
    vector: NDArray[np.float32] = np.round(np.concatenate(parts), 3).astype(np.float32)
    return vector
