"""Photo-like JPEGs in 100 folders, generated once and kept: 20,000 of 24 KB unless more or larger ones are asked for.

A photo here is a colour gradient with a few shapes and a crop of smooth noise: the size and the entropy of a photo of
as many pixels, without anybody's photo. It is stored as photos are: 4 to 3 or 3 to 4, quality 85, half as many pixels
of colour as of brightness each way (4:2:0).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measurement import BENCH_ROOT

__all__ = ["PhotoSet", "photo_set"]

SEED = 20261121
GENERATOR_VERSION = 2
NUM_LABELS = 100
QUALITY = 85  # with the noise below: 24 KB on average at 256 by 341 pixels


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """`root/<label>/<name>.jpg`."""

    root: Path
    num_photos: int
    num_bytes: int
    digest: str  # SHA-256 over the sorted SHA-256 digests of the photos

    def files(self) -> Iterator[tuple[str, str, Path]]:
        """(id = relative path, label, file) in path order."""
        for label in sorted(os.listdir(self.root)):
            folder = self.root / label
            for name in sorted(os.listdir(folder)):
                yield f"{label}/{name}", label, folder / name


def photo_set(num_photos: int = 20_000, *, side: int = 256) -> PhotoSet:
    """Generate the photos, whose shorter side has `side` pixels, unless an earlier run left them."""
    name = f"photos-{num_photos}" if side == 256 else f"photos-{num_photos}x{side}"
    folder = BENCH_ROOT / f"{name}-v{GENERATOR_VERSION}"
    record = folder / "photos.json"
    if not record.exists():
        shutil.rmtree(folder, ignore_errors=True)
        print(f"generating {num_photos:,} photos in {folder} (once)")
        label_idxs = range(NUM_LABELS)
        per_label = num_photos // NUM_LABELS
        with ProcessPoolExecutor() as pool:
            parts = list(
                pool.map(partial(_write_label, folder / "photos", num_photos=per_label, side=side), label_idxs)
            )
        digests = sorted(digest for _, label_digests in parts for digest in label_digests)
        record.write_text(
            json.dumps(
                {
                    "num_photos": per_label * NUM_LABELS,
                    "num_bytes": sum(num_bytes for num_bytes, _ in parts),
                    "digest": digest_of_digests(digests),
                }
            ),
            encoding="utf-8",
        )
    found = json.loads(record.read_text(encoding="utf-8"))
    return PhotoSet(folder / "photos", found["num_photos"], found["num_bytes"], found["digest"])


def digest_of_digests(digests: list[str]) -> str:
    """One digest for a set of contents, whatever their order."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _write_label(root: Path, label_idx: int, *, num_photos: int, side: int) -> tuple[int, list[str]]:
    import simplejpeg

    folder = root / f"label-{label_idx:03d}"
    folder.mkdir(parents=True)
    generator = np.random.default_rng([SEED, label_idx])
    noise = _smooth_noise(generator)  # [768, 768, 3]
    num_bytes = 0
    digests: list[str] = []
    for photo_idx in range(num_photos):
        longer = side * 4 // 3
        shape = (side, longer) if photo_idx % 4 else (longer, side)  # every fourth stands upright
        pixels = _photo(generator, noise, shape=shape)
        content = simplejpeg.encode_jpeg(pixels, quality=QUALITY, colorspace="RGB", colorsubsampling="420")
        (folder / f"photo-{photo_idx:05d}.jpg").write_bytes(content)
        num_bytes += len(content)
        digests.append(hashlib.sha256(content).hexdigest())
    return num_bytes, digests


def _smooth_noise(generator: np.random.Generator) -> NDArray[np.float32]:
    """Noise at three scales, shape [768, 768, 3], mean 0."""
    total = np.zeros((768, 768, 3), np.float32)  # [768, 768, 3]
    for step, strength in ((1, 6.0), (4, 11.0), (32, 40.0)):
        coarse = generator.standard_normal((768 // step, 768 // step, 3), np.float32)  # [768/step, 768/step, 3]
        total += strength * np.repeat(np.repeat(coarse, step, axis=0), step, axis=1)
    return total


def _photo(
    generator: np.random.Generator,
    noise: NDArray[np.float32],  # [768, 768, 3]
    *,
    shape: tuple[int, int],  # height, width
) -> NDArray[np.uint8]:
    height, width = shape
    top, left = generator.integers(0, 768 - height), generator.integers(0, 768 - width)
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]  # [height, 1, 1]
    upper, lower = generator.uniform(40, 215, (2, 1, 3)).astype(np.float32)  # each [1, 3]
    image = upper + (lower - upper) * ramp + noise[top : top + height, left : left + width]  # [height, width, 3]
    for _ in range(4):
        y, x = generator.integers(0, height - 32), generator.integers(0, width - 32)
        high, wide = generator.integers(24, 128, 2)
        image[y : y + high, x : x + wide] += generator.uniform(-70, 70, 3).astype(np.float32)
    pixels: NDArray[np.uint8] = np.clip(image * generator.uniform(0.75, 1.25), 0, 255).astype(np.uint8)
    return pixels
