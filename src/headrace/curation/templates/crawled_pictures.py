"""Drawings as three platforms have them: the same one resized, encoded anew and cropped, with other tags each.

What is true of a drawing is known, so that identities and labels that come out can be held against it.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image, ImageDraw

__all__ = ["PLATFORMS", "CrawledPicture", "crawl_pictures"]

PLATFORMS: Final = ("danbooru", "pixiv", "twitter")

_SEED = 20261122
_NUM_DRAWINGS = 90
_SIDE = 288  # pixels of a drawing
_MIN_COLOUR_DISTANCE = 200  # sum over the channels

_SUBJECTS = ("1girl", "1boy", "cat", "landscape")
_HAIR = ("long_hair", "short_hair", "twintails")
_PLACES = ("outdoors", "indoors", "beach", "city")
_MOODS = ("smile", "crying", "sleeping")
_RATINGS = ("general", "sensitive", "explicit")

# Pixiv's users tag in Japanese, and not everything.
_JAPANESE = {
    "1girl": "女の子",
    "1boy": "男の子",
    "cat": "猫",
    "landscape": "風景",
    "beach": "海",
    "city": "街",
    "smile": "笑顔",
    "twintails": "ツインテール",
}
_HASHTAGS = {"1girl": "1girl", "cat": "cat", "landscape": "landscape", "smile": "smile"}


@dataclass(frozen=True, slots=True)
class CrawledPicture:
    """One file of one platform.

    Attributes:
        drawing: Which drawing it shows; a near variant is another drawing.
        row: As it is committed: id, image (bytes), text, and what the platform says of it.
    """

    platform: str
    drawing: str
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Drawing:
    name: str
    pixels: Image.Image
    tags: Sequence[str]
    rating: str
    artist: str
    is_amateur: bool


def crawl_pictures(*, seed: int = _SEED, num_drawings: int = _NUM_DRAWINGS) -> list[CrawledPicture]:
    """All files, platform by platform; the same seed gives the same bytes."""
    generator = random.Random(seed)
    drawings: list[_Drawing] = []
    for number in range(num_drawings):
        drawing = _draw(generator, f"drawing-{number:03d}")
        drawings.append(drawing)
        if number % 6 == 2 and not drawing.is_amateur:
            drawings.append(_variant(generator, drawing))
    found: list[CrawledPicture] = []
    for platform, post in zip(PLATFORMS, (_on_danbooru, _on_pixiv, _on_twitter), strict=True):
        number = 0
        for drawing in drawings:
            for content, facts in post(generator, drawing):
                number += 1
                identifier = f"{platform}/{number:04d}"
                found.append(CrawledPicture(platform, drawing.name, {"id": identifier, "image": content, **facts}))
    return found


Post = tuple[bytes, dict[str, Any]]


def _on_danbooru(generator: random.Random, drawing: _Drawing) -> list[Post]:
    """Careful taggers, no amateurs; a few pictures come a second time."""
    if drawing.is_amateur or generator.random() < 0.2:
        return []
    tags = [tag if generator.random() > 0.03 else generator.choice(_MOODS) for tag in drawing.tags]
    facts = _facts(drawing, tags, rating=drawing.rating[0], popularity=generator.randint(3, 90), text=None)
    posts = [(_encoded(drawing.pixels, quality=95), facts)]
    if generator.random() < 0.1:
        small = drawing.pixels.resize((_SIDE // 2, _SIDE // 2), Image.Resampling.LANCZOS)
        posts.append((_encoded(small, quality=90), facts))
    return posts


def _on_pixiv(generator: random.Random, drawing: _Drawing) -> list[Post]:
    """Where drawings appear first, and amateurs' mostly; some downloads are damaged."""
    if not drawing.is_amateur and generator.random() < 0.15:
        return []
    tags = [_JAPANESE[tag] for tag in drawing.tags if tag in _JAPANESE and generator.random() > 0.15]
    popularity = generator.randint(0, 60) if drawing.is_amateur else generator.randint(150, 9000)
    rating = "R-18" if drawing.rating == "explicit" else "全年齢"
    facts = _facts(drawing, tags, rating=rating, popularity=popularity, text=f"{drawing.artist}の絵")
    larger = drawing.pixels.resize((_SIDE * 5 // 4, _SIDE * 5 // 4), Image.Resampling.BICUBIC)
    content = _encoded(larger, quality=88)
    if generator.random() < 0.06:
        lost = len(content) * 3 // 4
        content = content[:lost] + content[lost + 400 :]
    return [(content, facts)]


def _on_twitter(generator: random.Random, drawing: _Drawing) -> list[Post]:
    """Made small, encoded hard and cropped a little; hashtags are few and sometimes of something else."""
    if generator.random() < (0.7 if drawing.is_amateur else 0.35):
        return []
    tags = [_HASHTAGS[tag] for tag in drawing.tags if tag in _HASHTAGS and generator.random() > 0.3]
    if generator.random() < 0.2:
        tags.append("smile")
    cut = generator.randint(0, _SIDE // 60)
    cropped = drawing.pixels.crop((cut, cut, _SIDE - cut, _SIDE - cut))
    small = cropped.resize((_SIDE * 2 // 3, _SIDE * 2 // 3), Image.Resampling.BICUBIC)
    popularity = generator.randint(0, 30) if drawing.is_amateur else generator.randint(10, 4000)
    facts = _facts(drawing, tags, rating=None, popularity=popularity, text=f"new drawing! by {drawing.artist}")
    return [(_encoded(small, quality=72), facts)]


def _facts(
    drawing: _Drawing, tags: Sequence[str], *, rating: str | None, popularity: int, text: str | None
) -> dict[str, Any]:
    return {
        "text": text or "",
        "tags": list(dict.fromkeys(tags)),
        "rating": rating,
        "popularity": popularity,
        "artist": drawing.artist,
    }


def _draw(generator: random.Random, name: str) -> _Drawing:
    """A gradient with shapes on it; amateurs draw few."""
    is_amateur = generator.random() < 0.4
    top, bottom = _colours_apart(generator)
    pixels = Image.new("RGB", (1, 2))
    pixels.putdata([top, bottom])
    pixels = pixels.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    canvas = ImageDraw.Draw(pixels)
    for _ in range(generator.randint(3, 5) if is_amateur else generator.randint(14, 22)):
        _add_shape(generator, canvas, size=generator.randint(_SIDE // 10, _SIDE // 3))
    tags = [
        generator.choice(choices)
        for choices in (_SUBJECTS, _HAIR, _PLACES, _MOODS)
        if choices is not _HAIR or generator.random() < 0.7
    ]
    rating = generator.choices(_RATINGS, (7, 2, 1))[0]
    return _Drawing(name, pixels, tags, rating, f"artist{generator.randint(1, 12)}", is_amateur)


def _variant(generator: random.Random, drawing: _Drawing) -> _Drawing:
    """The same drawing with another detail, as artists post them: another drawing with another mood."""
    pixels = drawing.pixels.copy()
    canvas = ImageDraw.Draw(pixels)
    left, top = (generator.randint(_SIDE // 4, _SIDE // 2) for _ in range(2))
    side = _SIDE // 5
    mean = pixels.crop((left, top, left + side, top + side)).resize((1, 1), Image.Resampling.BOX).tobytes()
    canvas.ellipse((left, top, left + side, top + side), fill=tuple(255 - level for level in mean))
    others = [mood for mood in _MOODS if mood not in drawing.tags]
    tags = [generator.choice(others) if tag in _MOODS else tag for tag in drawing.tags]
    return _Drawing(f"{drawing.name}b", pixels, tags, drawing.rating, drawing.artist, drawing.is_amateur)


def _add_shape(generator: random.Random, canvas: ImageDraw.ImageDraw, *, size: int) -> None:
    left, top = (generator.randint(-size // 2, _SIDE - size // 2) for _ in range(2))
    colour = tuple(generator.randrange(256) for _ in range(3))
    box = (left, top, left + size, top + generator.randint(size // 2, size))
    kind = generator.randrange(3)
    if kind == 0:
        canvas.ellipse(box, fill=colour)
    elif kind == 1:
        canvas.rectangle(box, fill=colour, outline=(0, 0, 0))
    else:
        corners = [(generator.randint(box[0], box[2]), generator.randint(box[1], box[3])) for _ in range(4)]
        canvas.polygon(corners, fill=colour)


def _colours_apart(generator: random.Random) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    while True:
        first, second = (tuple(generator.randrange(256) for _ in range(3)) for _ in range(2))
        if sum(abs(one - other) for one, other in zip(first, second)) >= _MIN_COLOUR_DISTANCE:
            return (first[0], first[1], first[2]), (second[0], second[1], second[2])


def _encoded(pixels: Image.Image, *, quality: int) -> bytes:
    sink = io.BytesIO()
    pixels.save(sink, "JPEG", quality=quality)
    return sink.getvalue()
