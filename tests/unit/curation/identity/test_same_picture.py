"""Pictures are the same though resized, encoded anew, cut or marked, and not with another face."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headrace.curation.identity.alignment import align
from headrace.curation.identity.same_picture import largest_changes
from headrace.curation.identity.thumbnails import Thumbnails, thumbnail_of
from proofs.truth.drawings import DETAILS, Detail, drawing, platform_copy

LIMIT = 10.0


def thumbnails(*images: Image.Image | bytes) -> Thumbnails:
    opened = [image if isinstance(image, Image.Image) else Image.open(io.BytesIO(image)) for image in images]
    values = [np.frombuffer(thumbnail_of(np.asarray(image.convert("RGB"))), dtype=np.uint8) for image in opened]
    return Thumbnails.of_bytes(np.stack(values))


def changes(left: list[Image.Image | bytes], right: list[Image.Image | bytes]) -> NDArray[np.float64]:
    return largest_changes(thumbnails(*left), thumbnails(*right))


@pytest.mark.parametrize("platform", ["danbooru", "twitter", "pixiv", "gelbooru"])
def test_copies_of_platforms_are_the_same(platform: str) -> None:
    images = [drawing(seed) for seed in range(6)]
    found = changes(list(images), [platform_copy(image, platform, seed=5) for image in images])
    assert found.max() <= LIMIT


@pytest.mark.parametrize("detail", DETAILS)
def test_another_detail_is_another_picture(detail: Detail) -> None:
    originals = [platform_copy(drawing(seed), "twitter", seed=1) for seed in range(6)]
    variants = [platform_copy(drawing(seed, detail=detail), "danbooru", seed=2) for seed in range(6)]
    assert changes(list(originals), list(variants)).min() > LIMIT


def test_places_of_a_cut_are_found() -> None:
    image = drawing(3).resize((800, 800))
    part = image.crop((40, 24, 780, 760))
    found = align(thumbnails(part).luma, thumbnails(image).luma)[0]
    # The cut runs from 24 to 760 of 800 down and from 40 to 780 across; -1 to 1 in both.
    assert found == pytest.approx([0.92, -0.02, 0.925, 0.025], abs=0.01)


def test_one_pair_is_the_same_alone_and_among_others() -> None:
    images = [drawing(seed, detail=detail) for seed in range(3) for detail in ("", "expression")]
    copies = [platform_copy(image, "pixiv", seed=4) for image in images]
    together = changes(list(images), [*copies[1:], copies[0]])
    alone = [changes([image], [copy])[0] for image, copy in zip(images, [*copies[1:], copies[0]])]
    assert together.tolist() == alone


def test_no_pairs_and_flat_pictures() -> None:
    nothing = Thumbnails.of_bytes(np.zeros((0, 6_144), dtype=np.uint8))
    assert largest_changes(nothing, nothing).tolist() == []
    flat = [Image.new("RGB", (20, 30), colour) for colour in ("black", "white", "grey")]
    assert changes(list(flat), list(flat)).max() == 0
    assert changes([flat[0]], [flat[1]]).min() > 200
