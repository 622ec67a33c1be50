"""Image operators against OpenCV, scipy, ImageHash, Pillow and the definition of resampling."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from headrace.curation import find_operator, hamming_distances
from headrace.curation.media import Media
from headrace.testing import run_operator
from proofs.operators.comparison import Comparison, largest
from proofs.operators.generated_images import encoded, generated_images, generated_pixels, planted_images
from proofs.operators.image_oracles import (
    entropy_by_scipy,
    exposure_by_scipy,
    grey_by_pillow,
    phash_by_imagehash,
    resized_by_definition,
    sharpness_by_scipy,
    size_by_opencv,
    thumbnail_by_definition,
)

__all__ = ["IMAGE_COMPARISONS", "bits_from_plain_imagehash"]


def _rows(num_rows: int, seed: int) -> list[dict[str, object]]:
    return [{"image": data} for data in generated_images(num_rows, seed=seed)]


def _column(operator: str, column: str, rows: list[dict[str, object]], **settings: Any) -> list[object]:
    table = run_operator(find_operator(operator), rows, **settings)
    assert table.column("_failed").null_count == len(rows), table.column("_failed").drop_null()[:3]
    found: list[object] = table.column(column).to_pylist()
    return found


def _relative(found: object, wanted: float) -> float:
    return abs(float(str(found)) - wanted) / max(abs(wanted), 1.0)


def _verify(num_rows: int, seed: int) -> float:
    planted = list(planted_images(num_rows, seed=seed))
    table = run_operator(find_operator("image.verify"), [{"image": image.data} for image in planted])
    wrong = [
        found != image.format or (reason is None) != (image.format is not None)
        for image, found, reason in zip(planted, table["format"].to_pylist(), table["_failed"].to_pylist())
    ]
    return float(sum(wrong))


def _size(num_rows: int, seed: int) -> float:
    rows = _rows(num_rows, seed)
    found = zip(_column("image.size", "width", rows), _column("image.size", "height", rows))
    return float(sum(pair != size_by_opencv(bytes(row["image"])) for pair, row in zip(found, rows)))  # type: ignore[call-overload]  # bytes


def _greys(rows: list[dict[str, object]]) -> list[np.ndarray]:
    return [grey_by_pillow(bytes(row["image"])) for row in rows]  # type: ignore[call-overload]  # bytes


def _blur(num_rows: int, seed: int) -> float:
    rows = _rows(num_rows, seed)
    found = _column("image.blur", "blur", rows)
    return largest(_relative(value, sharpness_by_scipy(grey)) for value, grey in zip(found, _greys(rows)))


def _entropy(num_rows: int, seed: int) -> float:
    rows = _rows(num_rows, seed)
    found = _column("image.entropy", "entropy", rows)
    return largest(_relative(value, entropy_by_scipy(grey)) for value, grey in zip(found, _greys(rows)))


def _exposure(num_rows: int, seed: int) -> float:
    rows = _rows(num_rows, seed)
    table = run_operator(find_operator("image.exposure"), rows, dark=20, bright=230)
    names = ("brightness", "contrast", "dark_share", "bright_share")
    return largest(
        _relative(row[name], wanted)
        for row, grey in zip(table.to_pylist(), _greys(rows))
        for name, wanted in zip(names, exposure_by_scipy(grey, dark=20, bright=230))
    )


def _hashes(num_rows: int, seed: int, *, by_area: bool) -> np.ndarray:
    """Bits in which the operator and ImageHash differ, [num_rows]; images of one value have no bits to compare."""
    rows = [row for row, grey in zip(_rows(num_rows, seed), _greys(_rows(num_rows, seed))) if min(grey.shape) > 8]
    found = np.array(_column("image.phash", "phash", rows), dtype=np.uint64)
    wanted = np.array([phash_by_imagehash(grey, by_area=by_area) for grey in _greys(rows)], dtype=np.uint64)
    return hamming_distances(found, wanted)


def _phash(num_rows: int, seed: int) -> float:
    return float(_hashes(num_rows, seed, by_area=True).max(initial=0))


def bits_from_plain_imagehash(num_rows: int, *, seed: int) -> float:
    """How many of the 64 bits differ on average where ImageHash reduces the image by its own filter."""
    return float(_hashes(num_rows, seed, by_area=False).mean())


def _resize(num_rows: int, seed: int) -> float:
    random = np.random.default_rng(seed)
    differences = []
    for idx in range(num_rows):
        old_width, old_height, width, height = (int(side) for side in random.integers(1, 90, 4))
        pixels = generated_pixels(random, width=old_width, height=old_height)
        interpolation = ("area", "bilinear", "bicubic", "lanczos")[idx % 4]
        table = run_operator(
            find_operator("image.resize"), [{"image": encoded(pixels, format="PNG")}], width=width, height=height,
            fit="stretch", enlarge=True, format="png", interpolation=interpolation,
        )  # fmt: skip
        found = np.asarray(Image.open(io.BytesIO(table["image"][0].as_py())).convert("RGB"), dtype=np.float64)
        differences.append(
            min(
                float(np.abs(found - wanted).max())
                for wanted in (
                    resized_by_definition(
                        pixels, width=width, height=height, interpolation=interpolation, vertical_first=vertical_first
                    )
                    for vertical_first in (False, True)
                )
            )
        )
    return largest(differences)


def _thumbnail(num_rows: int, seed: int) -> float:
    rows = _rows(num_rows, seed)
    values = np.array(_column("image.thumbnail", "thumbnail", rows), dtype="<u8").view(np.uint8)  # [num_rows, 6144]
    apart = 0.0
    for row, found in zip(rows, values):
        pixels = Media(bytes(row["image"])).pixels()  # type: ignore[call-overload]  # bytes
        for plane, (start, side) in enumerate(((0, 64), (4096, 32), (5120, 32))):
            wanted = thumbnail_by_definition(pixels, side, plane)
            ours = found[start : start + side * side].reshape(side, side)
            apart = max(apart, float(np.abs(ours - wanted).max()))
    return apart


IMAGE_COMPARISONS = [
    Comparison(
        "image.verify",
        "images made whole, cut off, emptied or with a broken checksum; the verdict and the format",
        _verify,
        "rows that differ",
        0,
    ),
    Comparison("image.size", "width and height of the pixels that OpenCV decodes", _size, "rows that differ", 0),
    Comparison("image.blur", "variance of scipy's Laplacian of the luma that Pillow decodes", _blur, "relative", 1e-9),
    Comparison(
        "image.entropy", "scipy's entropy of the values in the luma that Pillow decodes", _entropy, "relative", 1e-9
    ),
    Comparison(
        "image.exposure",
        "scipy's mean and deviation, NumPy's counts, of the luma that Pillow decodes",
        _exposure,
        "relative",
        1e-9,
    ),
    Comparison(
        "image.phash", "ImageHash's phash of the luma that Pillow decodes, averaged by area before", _phash, "bits", 0
    ),
    Comparison(
        "image.resize",
        "the filter's definition as a product of matrices; four filters, written as PNG",
        _resize,
        "levels of 255",
        2,
    ),
    Comparison(
        "image.thumbnail",
        "the formula of JFIF and the filter's definition as a product of matrices",
        _thumbnail,
        "levels of 255",
        2,
    ),
]
