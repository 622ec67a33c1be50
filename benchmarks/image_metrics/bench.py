"""Blur, entropy and perceptual hash of 1,000 photos with one shared decode, against the plain way. See README.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import cv2
import numpy as np

from benchmarks.measurement import Bar, Contestant, Outcome, Timing, hardware, race, report, versions
from benchmarks.photos import photo_set
from benchmarks.run import save
from headrace.curation import Media, find_operator
from headrace.curation.applying import apply_to_row

QUESTION = "Blur, entropy and perceptual hash of 1,000 photos of {size}: operators with one decode against plain OpenCV"
NUM_PHOTOS = 1_000
OPERATORS = [find_operator(name).spec for name in ("image.blur", "image.entropy", "image.phash")]
SETTINGS = [spec.bind({}) for spec in OPERATORS]

Measure = Callable[[bytes], Sequence[float]]


def shared(jpeg: bytes) -> list[float]:
    """Three operators on one `Media`, as a fused stage runs them."""
    media = Media(jpeg)
    return _measured([media, media, media])


def apart(jpeg: bytes) -> list[float]:
    """Three operators that each decode."""
    return _measured([Media(jpeg), Media(jpeg), Media(jpeg)])


def _measured(media: list[Media]) -> list[float]:
    values: list[float] = []
    for spec, settings, each in zip(OPERATORS, SETTINGS, media):
        values += apply_to_row(spec, {"image": each}, settings).values.values()  # type: ignore[arg-type]  # numbers
    return values


def plain(jpeg: bytes) -> list[float]:
    """What one would write by hand with OpenCV and NumPy; decoded once too."""
    grey = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)  # [height, width]
    assert grey is not None
    blur = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size
    shares = shares[shares > 0]
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    spectrum = cv2.dct(small)[:8, :8].ravel()
    bits = spectrum > np.median(spectrum[1:])
    return [blur, float(-(shares * np.log2(shares)).sum()), float(np.packbits(bits).view(">u8")[0])]


def over(measure: Measure, jpegs: list[bytes], num_threads: int) -> list[Sequence[float]]:
    """Values of all photos, by so many threads."""
    if num_threads == 1:
        return [measure(jpeg) for jpeg in jpegs]
    with ThreadPoolExecutor(num_threads) as pool:
        parts = [jpegs[start::num_threads] for start in range(num_threads)]
        return [values for part in pool.map(lambda part: [measure(jpeg) for jpeg in part], parts) for values in part]


def main(side: int = 256) -> Outcome:
    """Run the race over photos whose shorter side has so many pixels, and print it."""
    cv2.setNumThreads(0)
    machine = hardware()
    photos = photo_set(2_000 if side == 256 else 10_000, side=side)
    jpegs = [path.read_bytes() for _, _, path in islice(photos.files(), NUM_PHOTOS)]
    # Blur and entropy of both ways must be the same numbers; the hashes are two definitions.
    for jpeg in jpegs[:50]:
        np.testing.assert_allclose(shared(jpeg)[:2], plain(jpeg)[:2], rtol=1e-9, atol=1e-9)

    def contestant(name: str, measure: Measure, num_threads: int) -> Contestant:
        def check(values: object) -> None:
            if not isinstance(values, list) or len(values) != NUM_PHOTOS:
                raise RuntimeError("photos are missing")

        return Contestant(
            f"{name}, {num_threads} thread{'s' * (num_threads > 1)}",
            lambda: over(measure, jpegs, num_threads),
            check=check,
        )

    timings: dict[str, Timing] = {}
    for num_threads in (1, 2):
        timings |= race(
            [
                contestant(name, way, num_threads)
                for name, way in (("shared", shared), ("plain", plain), ("apart", apart))
            ],
            repetitions=7,
        )
    bars = [
        Bar(
            f"at least 2x the plain way, {name}",
            timings[f"plain, {name}"].median / timings[f"shared, {name}"].median, 2.0, "at least", "x",
        )
        for name in ("1 thread", "2 threads")
    ]  # fmt: skip
    mean_bytes = sum(map(len, jpegs)) / len(jpegs)
    return report(
        question=QUESTION.format(size=f"{mean_bytes / 1000:.0f} KB"),
        timings=timings,
        ours="shared, 1 thread",
        bars=bars,
        libraries=versions("headrace", "simplejpeg", "opencv-python-headless", "pillow", "numpy"),
        machine=machine,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image_metrics.bench")
    parser.add_argument("--side", type=int, choices=(256, 528), default=256, help="pixels; 24 KB or 102 KB a photo")
    parser.add_argument("--record", action="store_true")
    chosen = parser.parse_args()
    outcome = main(chosen.side)
    save("image_metrics", outcome, is_recorded=chosen.record)
    sys.exit(0 if outcome.is_met else 1)
