"""Writes a template into a folder: a recipe, and a lake with data that has every flaw the recipe looks for."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headrace.connecting import connect
from headrace.errors import AlreadyExists, InvalidInput
from headrace.schema.near_misses import near_miss_or_known

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TEMPLATES", "write_template"]

TEMPLATES = {"image-filter": "Keep photos that can be decoded, are large and sharp enough, and come once."}

_SEED = 20261121
_NUM_PHOTOS = 96
_KINDS = ("field", "shore", "street")


def write_template(name: str, folder: Path) -> list[Path]:
    """Write the recipe and its lake; the files and folders that are there now.

    Raises:
        InvalidInput: There is no such template.
        AlreadyExists: The folder holds something.
    """
    if name not in TEMPLATES:
        raise InvalidInput(f"there is no template {name!r}.{near_miss_or_known(name, TEMPLATES)}")
    if folder.exists() and any(folder.iterdir()):
        raise AlreadyExists(f"the folder {folder} is not empty; name a new one")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        photos = folder / "photos"
        for place, content in _photos():
            (photos / place).parent.mkdir(parents=True, exist_ok=True)
            (photos / place).write_bytes(content)
        lake = connect(folder / "lake")
        lake.create_dataset("photos", type="IMAGE_CLASS", source=str(photos), message="Photos of the template")
        shutil.rmtree(photos)  # they are in the lake
        recipe = folder / "recipe.yaml"
        recipe.write_bytes((files("headrace.curation.templates") / "image_filter" / "recipe.yaml").read_bytes())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return [recipe, folder / "lake"]


def _photos() -> Iterator[tuple[str, bytes]]:
    """Name and content of each photo; some are small, blurred, damaged in the middle, or come twice."""
    random = np.random.default_rng(_SEED)
    earlier = b""
    for number in range(_NUM_PHOTOS):
        kind = _KINDS[number % len(_KINDS)]
        side = 40 if number % 13 == 5 else int(random.integers(80, 160))
        content = _encoded(_scene(random, side, is_blurred=number % 11 == 3))
        if number % 17 == 9:
            middle = len(content) // 2  # header and end are whole, so that only decoding notices
            content = content[:middle] + bytes(64) + content[middle + 64 :]
        if number % 19 == 7:
            content = earlier
        earlier = content
        yield f"{kind}/{number:03d}.jpg", content


def _scene(random: np.random.Generator, side: int, *, is_blurred: bool) -> NDArray[np.uint8]:
    """A horizon between two colours, with grain unless it is blurred: [side, side, 3]."""
    top, bottom = random.integers(0, 256, (2, 3))
    weight = np.linspace(0, 1, side)[:, None, None]  # [side, 1, 1]
    picture = np.broadcast_to(top * (1 - weight) + bottom * weight, (side, side, 3))
    grain = 0.0 if is_blurred else 18.0
    noisy = picture + random.normal(0, 1, (side, side, 3)) * grain
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _encoded(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=88)
    return sink.getvalue()
