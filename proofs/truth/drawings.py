"""Drawings, variants of them with one detail changed, and what platforms make of a file."""

from __future__ import annotations

import io
import math
from typing import Final, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from PIL.Image import Resampling

__all__ = ["DETAILS", "Detail", "amateur", "drawing", "platform_copy"]

Detail = Literal["", "expression", "eyes closed", "hair colour", "clothes", "hat", "glasses", "skirt pattern", "speech"]
DETAILS: Final[tuple[Detail, ...]] = (
    "expression", "eyes closed", "hair colour", "clothes", "hat", "glasses", "skirt pattern", "speech",
)  # fmt: skip
"""What a variant changes, everything else being the same to the pixel"""

Colour = tuple[int, int, int]


def drawing(seed: int, *, detail: Detail = "") -> Image.Image:
    """A figure before a background, 480 to 900 pixels on each side; the same seed is the same drawing.

    Args:
        detail: What is changed in it.
    """
    random = np.random.default_rng([seed, 1])
    width, height = (int(side) for side in random.integers(480, 900, 2))
    image = _background(random, width, height)
    pen = ImageDraw.Draw(image)
    unit = min(width, height) / 10  # of lengths in the figure
    x, y = width * random.uniform(0.38, 0.62), height * random.uniform(0.28, 0.4)  # middle of the head
    head = unit * random.uniform(1.2, 1.9)
    skin: Colour = (250, int(random.integers(205, 235)), int(random.integers(180, 215)))
    hair, clothes, skirt, iris = (_colour(random) for _ in range(4))
    turned = random.uniform(-0.15, 0.15) * head
    long_hair, open_mouth = random.random() < 0.5, random.random() < 0.5
    changed = np.random.default_rng([seed, 2])
    if detail == "hair colour":
        hair = _other_colour(changed, hair)
    if detail == "clothes":
        clothes = _other_colour(changed, clothes)
    if long_hair:
        pen.ellipse(_box(x, y + head * 0.8, head * 1.25, head * 2), fill=hair, outline="black", width=3)
    _body(pen, x, y, head, height, clothes, skirt=skirt, is_striped=detail == "skirt pattern")
    pen.ellipse(_box(x, y, head * 1.12, head * 1.2), fill=hair, outline="black", width=3)
    pen.ellipse(_box(x + turned, y + head * 0.15, head * 0.85, head * 0.95), fill=skin, outline="black", width=3)
    fringe = [(x - head, y - head * 0.1)]
    fringe += [(x - head + idx * head / 3, y - head * random.uniform(0.05, 0.35)) for idx in range(7)]
    fringe += [(x + head, y - head * 0.3), (x + head * 0.6, y - head), (x - head * 0.6, y - head)]
    pen.polygon(fringe, fill=hair, outline="black")
    middle = x + turned
    for side in (-1, 1):
        place = (middle + side * head * 0.38, y + head * 0.15)
        if detail == "eyes closed":
            pen.arc(_box(*place, head * 0.2, head * 0.12), 0, 180, fill="black", width=max(3, int(head / 18)))
        else:
            pen.ellipse(_box(*place, head * 0.19, head * 0.25), fill="white", outline="black", width=3)
            pen.ellipse(_box(*place, head * 0.13, head * 0.2), fill=iris, outline="black", width=2)
            pen.ellipse(_box(place[0] - head * 0.04, place[1] - head * 0.08, head * 0.05, head * 0.05), fill="white")
    if open_mouth != (detail == "expression"):
        pen.ellipse(
            _box(middle, y + head * 0.68, head * 0.24, head * 0.17), fill=(150, 30, 40), outline="black", width=2
        )
    else:
        pen.arc(
            _box(middle, y + head * 0.6, head * 0.22, head * 0.1), 10, 170, fill="black", width=max(3, int(head / 20))
        )
    if detail == "glasses":
        for side in (-1, 1):
            pen.ellipse(
                _box(middle + side * head * 0.38, y + head * 0.15, head * 0.3, head * 0.3),
                outline="black",
                width=max(4, int(head / 14)),
            )
    if detail == "hat":
        pen.polygon(
            [
                (x - head * 1.2, y - head * 0.7),
                (x + head * 1.2, y - head * 0.7),
                (x + head * 0.5, y - head * 1.5),
                (x - head * 0.5, y - head * 1.5),
            ],
            fill=_colour(changed),
            outline="black",
        )
    if detail == "speech":
        side = 1 if x < width / 2 else -1
        pen.ellipse(
            _box(x + side * head * 2, y - head * 0.1, head * 0.8, head * 0.5), fill="white", outline="black", width=3
        )
    return image


def amateur(seed: int) -> Image.Image:
    """A few thin lines on paper, as beginners post them: all are nearly white, and no two are the same."""
    random = np.random.default_rng([seed, 3])
    width, height = (int(side) for side in random.integers(400, 800, 2))
    image = Image.new("RGB", (width, height), (int(random.integers(235, 256)),) * 3)
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(4, 12))):
        steps = np.cumsum(random.normal(0, min(width, height) / 12, (int(random.integers(4, 14)), 2)), axis=0)
        start = random.uniform(0.25, 0.75, 2) * (width, height)
        shade = int(random.integers(20, 120))
        pen.line(
            [(float(at[0]), float(at[1])) for at in start + steps], fill=(shade,) * 3, width=int(random.integers(2, 6))
        )
    return image


def platform_copy(image: Image.Image, platform: str, *, seed: int) -> bytes:
    """The file as a platform has it: as it was, resized and encoded anew, cropped a little, or with a watermark."""
    random = np.random.default_rng([seed, 4])
    if platform == "danbooru":
        return _encoded(image, "PNG" if random.random() < 0.3 else "JPEG", int(random.integers(90, 97)))
    if platform == "twitter":
        return _encoded(_resized(image, random.uniform(0.4, 0.9)), "JPEG", int(random.integers(70, 88)))
    if platform == "pixiv":
        width, height = image.size
        left, top, right, bottom = random.uniform(0, 0.04, 4)
        box = (int(left * width), int(top * height), int(width - right * width), int(height - bottom * height))
        return _encoded(_resized(image.crop(box), random.uniform(0.7, 1.2)), "JPEG", int(random.integers(80, 95)))
    if platform == "gelbooru":
        return _encoded(_watermarked(image, random), "JPEG", int(random.integers(75, 92)))
    raise ValueError(f"no platform {platform!r}; there are danbooru, twitter, pixiv and gelbooru")


def _background(random: np.random.Generator, width: int, height: int) -> Image.Image:
    top, bottom = (np.array(_colour(random), dtype=np.float64) for _ in range(2))
    share = np.linspace(0, 1, height)[:, None, None]  # [height, 1, 1]
    pixels = np.broadcast_to(top + (bottom - top) * share, (height, width, 3)).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    pen = ImageDraw.Draw(image)
    for _ in range(int(random.integers(4, 14))):
        x, y = random.uniform(0, 1, 2) * (width, height)
        a, b = random.uniform(0.03, 0.25, 2) * min(width, height)
        if random.random() < 0.5:
            pen.ellipse(_box(x, y, a, b), fill=_colour(random))
        else:
            angles = np.sort(random.uniform(0, 2 * math.pi, 5))
            pen.polygon([(x + a * math.cos(at), y + b * math.sin(at)) for at in angles], fill=_colour(random))
    return image.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 6))))


def _body(
    pen: ImageDraw.ImageDraw, x: float, y: float, head: float, height: int, clothes: Colour, *, skirt: Colour,
    is_striped: bool,
) -> None:  # fmt: skip
    waist = min(y + head * 3, height * 0.65)
    pen.polygon(
        [
            (x - head * 0.3, y + head * 0.8),
            (x + head * 0.3, y + head * 0.8),
            (x + head * 1.4, y + head * 1.6),
            (x + head * 0.8, waist),
            (x - head * 0.8, waist),
            (x - head * 1.4, y + head * 1.6),
        ],
        fill=clothes,
        outline="black",
    )
    pen.polygon(
        [(x - head * 0.8, waist), (x + head * 0.8, waist), (x + head * 1.6, height), (x - head * 1.6, height)],
        fill=skirt,
        outline="black",
    )
    if is_striped:
        for idx in range(1, 4):
            at = waist + (height - waist) * idx / 5
            pen.line(
                [(x - head * (0.8 + 0.16 * idx), at), (x + head * (0.8 + 0.16 * idx), at)],
                fill="white",
                width=max(4, int(head / 6)),
            )


def _watermarked(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Pale text over a corner, at most a twelfth of the height."""
    width, height = image.size
    mark = Image.new("L", image.size, 0)
    pen = ImageDraw.Draw(mark)
    size = height * random.uniform(0.03, 0.06)
    text = f"artist{int(random.integers(1000))}.example"
    x = random.choice([0.02 * width, max(0.02 * width, width * 0.98 - len(text) * size * 0.5)])
    y = random.choice([0.015 * height, 0.985 * height - size])
    pen.text((float(x), float(y)), text, fill=int(random.integers(90, 200)), font_size=float(size * 0.8))
    marked = image.copy()
    marked.paste(Image.new("RGB", image.size, "white"), mask=mark)
    return marked


def _resized(image: Image.Image, share: float) -> Image.Image:
    return image.resize((max(8, int(image.width * share)), max(8, int(image.height * share))), Resampling.LANCZOS)


def _encoded(image: Image.Image, format: str, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **({"quality": quality} if format == "JPEG" else {"compress_level": 1}))
    return file.getvalue()


def _box(x: float, y: float, a: float, b: float) -> tuple[float, float, float, float]:
    return x - a, y - b, x + a, y + b


def _colour(random: np.random.Generator) -> Colour:
    red, green, blue = (int(each) for each in random.integers(20, 236, 3))
    return red, green, blue


def _other_colour(random: np.random.Generator, colour: Colour) -> Colour:
    """One that people tell apart at once."""
    while True:
        found = _colour(random)
        if max(abs(ours - theirs) for ours, theirs in zip(colour, found)) > 60:
            return found
