"""The demo's input: handwritten digits as three collectors would hand them in, flaws included.

The digits are those that scikit-learn carries (1,797 scans of 8x8 pixels), drawn at 64 pixels. The same seed
plants the same flaws, so that what the lake reports can be compared with what was planted.
"""

from __future__ import annotations

import csv
import io
import random
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headrace.errors import MissingExtra

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Delivery", "deliver_digits", "digit_number"]

SEED = 20261121
SIDE = 64  # pixels

ImageFormat = Literal["png", "jpeg"]

_LOOKS_LIKE = {"1": "7", "3": "8", "4": "9", "5": "6", "9": "3"}

NOT_AN_IMAGE = b"<!DOCTYPE html><html><body><h1>504 Gateway Time-out</h1></body></html>\n"
"""What a download script stores when the server answered with a page."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one collector handed in, with what is known of its flaws.

    Digits are numbered 0 to 1796; the number is the end of each sample's name.
    """

    collector: str
    purpose: Literal["train", "evaluate"]
    source: Path  # what is committed: the zip, the folder, the Parquet file
    digits: Sequence[int]  # delivered intact, in delivery order
    true_labels: Mapping[int, str]  # digit number -> label that is right
    wrong_labels: Mapping[int, str]  # digit number -> label that it was given by mistake
    broken: Sequence[str]  # names of the samples that cannot be images, which a commit refuses
    damaged: Sequence[str]  # names of digits sent once more, with a piece of the JPEG lost: a commit cannot tell
    blank: Sequence[str]  # names of scans of empty pages

    @property
    def num_samples(self) -> int:
        """All that was handed in."""
        return self.num_readable + len(self.broken)

    @property
    def num_readable(self) -> int:
        """What a commit takes."""
        return len(self.digits) + len(self.damaged) + len(self.blank)

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the commit."""
        return {"collector": self.collector, "purpose": self.purpose}


@dataclass(frozen=True, slots=True)
class _Scan:
    """One sample as delivered: `content` is None where a file is named and missing."""

    name: str
    label: str
    content: bytes | None


class _Digits:
    """Draws digits; the images and labels of scikit-learn, upscaled and encoded on demand."""

    def __init__(self) -> None:
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise MissingExtra(
                f"the demo needs scikit-learn, for its digits and its classifier ({error}). "
                "To install it: pip install 'headrace[demo]'"
            ) from error
        digits = load_digits()
        self._images = digits.images  # [1797, 8, 8], 0 to 16
        self.labels: list[str] = [str(label) for label in digits.target.tolist()]

    def true_labels(self, numbers: Sequence[int]) -> dict[int, str]:
        """What these digits show."""
        return {number: self.labels[number] for number in numbers}

    def encode(self, number: int, *, image_format: ImageFormat, quality: int) -> bytes:
        """One digit as a grey image of 64x64 pixels."""
        from PIL import Image

        levels = (self._images[number] * (255 / 16)).astype("uint8")  # [8, 8]
        image = Image.fromarray(levels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        return _encoded(image, image_format=image_format, quality=quality)


def _encoded(image: Image.Image, *, image_format: ImageFormat, quality: int) -> bytes:
    stream = io.BytesIO()
    if image_format == "png":
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def deliver_digits(directory: Path, *, seed: int = SEED) -> list[Delivery]:
    """Write the three deliveries below `directory`, which must not exist.

    Ada works fast: she scans digits 0 to 849, labels every fourth as what it looks like and sends a
    zip, with 40 empty pages in between.
    Cleo re-scans 640 of them as JPEG, forwards 40 more of Ada's files unchanged, adds 450 of her own and sends one
    Parquet file; there are 20 JPEGs in it that lost a piece on the way, and 30 empty pages. Ben, who is kept for
    evaluation, sends a folder with an index: 497 new digits, 60 that Cleo sent too, 240 of Ada's, 10 with a lost piece
    and 10 empty pages.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    digits = _Digits()
    generator = random.Random(seed)
    directory.mkdir(parents=True)
    ada = list(range(850))
    rescanned = generator.sample(ada, 680)
    forwarded = set(rescanned[:40])
    cleo = sorted([*rescanned, *range(850, 1300)])
    ben = sorted(
        [*generator.sample(ada, 240), *generator.sample(range(850, 1300), 60), *range(1300, len(digits.labels))]
    )
    return [
        _deliver_zip(directory / "ada.zip", digits=digits, numbers=ada, generator=generator),
        _deliver_parquet(
            directory / "cleo.parquet", digits=digits, numbers=cleo, forwarded=forwarded, generator=generator
        ),
        _deliver_folder(directory / "ben", digits=digits, numbers=ben, generator=generator),
    ]


def _deliver_zip(path: Path, *, digits: _Digits, numbers: Sequence[int], generator: random.Random) -> Delivery:
    """`<label>/<image>`, in the order of scanning."""
    wrong = _confused_labels(digits.labels, numbers, count=220, generator=generator)
    scans = _intact_scans("ada-{:04d}.png", "png", digits=digits, numbers=numbers, wrong=wrong, quality=0)
    blank = _blank_scans("ada-8{:03d}.png", count=40, image_format="png", quality=0, generator=generator)
    broken = [
        _Scan("ada-9000.png", "3", b""),
        _Scan("ada-9001.png", "5", NOT_AN_IMAGE),
        _Scan("ada-9002.png", "8", _first_half(digits.encode(8, image_format="png", quality=0))),
        _Scan("ada-9003.png", "1", generator.randbytes(700)),
    ]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for scan in _mixed(scans, [*blank, *broken], generator=generator):
            member = zipfile.ZipInfo(f"{scan.label}/{scan.name}", date_time=(2026, 11, 2, 9, 0, 0))
            archive.writestr(member, scan.content or b"")
    return Delivery(
        "ada",
        "train",
        path,
        numbers,
        digits.true_labels(numbers),
        wrong,
        broken=[f"{scan.label}/{scan.name}" for scan in broken],
        damaged=[],
        blank=[f"{scan.label}/{scan.name}" for scan in blank],
    )


def _deliver_parquet(
    path: Path, *, digits: _Digits, numbers: Sequence[int], forwarded: set[int], generator: random.Random
) -> Delivery:
    """Columns id, image (bytes) and label."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wrong = _wrong_labels(digits.labels, numbers, count=14, generator=generator)
    scans = [
        _Scan(
            f"cleo-{number:04d}",
            wrong.get(number, digits.labels[number]),
            digits.encode(number, image_format="png" if number in forwarded else "jpeg", quality=90),
        )
        for number in numbers
    ]
    damaged = _damaged_scans("cleo-7{:03d}", digits=digits, numbers=numbers, count=20, quality=90, generator=generator)
    blank = _blank_scans("cleo-8{:03d}", count=30, image_format="jpeg", quality=90, generator=generator)
    broken = [
        _Scan("cleo-9000", "0", None),
        _Scan("cleo-9001", "7", NOT_AN_IMAGE),
        _Scan("cleo-9002", "4", _first_half(digits.encode(4, image_format="jpeg", quality=90))),
    ]
    rows = _mixed(scans, [*damaged, *blank, *broken], generator=generator)
    table = pa.table(
        {
            "id": pa.array([scan.name for scan in rows], pa.string()),
            "image": pa.array([scan.content for scan in rows], pa.binary()),
            "label": pa.array([scan.label for scan in rows], pa.string()),
        }
    )
    pq.write_table(table, path)
    return Delivery(
        "cleo",
        "train",
        path,
        numbers,
        digits.true_labels(numbers),
        wrong,
        broken=[scan.name for scan in broken],
        damaged=[scan.name for scan in damaged],
        blank=[scan.name for scan in blank],
    )


def _deliver_folder(path: Path, *, digits: _Digits, numbers: Sequence[int], generator: random.Random) -> Delivery:
    """`index.csv` with id, image (a path beside the index) and label."""
    wrong = _wrong_labels(digits.labels, numbers, count=8, generator=generator)
    scans = _intact_scans("ben-{:04d}", "jpeg", digits=digits, numbers=numbers, wrong=wrong, quality=60)
    damaged = _damaged_scans("ben-7{:03d}", digits=digits, numbers=numbers, count=10, quality=60, generator=generator)
    blank = _blank_scans("ben-8{:03d}", count=10, image_format="jpeg", quality=60, generator=generator)
    broken = [
        _Scan("ben-9000", "2", None),
        _Scan("ben-9001", "6", b""),
        _Scan("ben-9002", "9", NOT_AN_IMAGE),
        _Scan("ben-9003", "2", None),
    ]
    images = path / "images"
    images.mkdir(parents=True)
    with open(path / "index.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["id", "image", "label"])
        for scan in _mixed(scans, [*damaged, *blank, *broken], generator=generator):
            writer.writerow([scan.name, f"images/{scan.name}.jpg", scan.label])
            if scan.content is not None:
                (images / f"{scan.name}.jpg").write_bytes(scan.content)
    return Delivery(
        "ben",
        "evaluate",
        path,
        numbers,
        digits.true_labels(numbers),
        wrong,
        broken=[scan.name for scan in broken],
        damaged=[scan.name for scan in damaged],
        blank=[scan.name for scan in blank],
    )


def _wrong_labels(
    labels: Sequence[str], numbers: Sequence[int], *, count: int, generator: random.Random
) -> dict[int, str]:
    chosen = sorted(generator.sample(list(numbers), count))
    return {number: generator.choice([label for label in "0123456789" if label != labels[number]]) for number in chosen}


def _confused_labels(
    labels: Sequence[str], numbers: Sequence[int], *, count: int, generator: random.Random
) -> dict[int, str]:
    """As `_wrong_labels`, but each is what the digit looks like in a hurry."""
    doubtful = [number for number in numbers if labels[number] in _LOOKS_LIKE]
    return {number: _LOOKS_LIKE[labels[number]] for number in sorted(generator.sample(doubtful, count))}


def _intact_scans(
    name: str,
    image_format: ImageFormat,
    *,
    digits: _Digits,
    numbers: Sequence[int],
    wrong: Mapping[int, str],
    quality: int,
) -> list[_Scan]:
    """The digits in their order, each with its label or the wrong one that it got."""
    return [
        _Scan(
            name.format(number),
            wrong.get(number, digits.labels[number]),
            digits.encode(number, image_format=image_format, quality=quality),
        )
        for number in numbers
    ]


def _damaged_scans(
    name: str, *, digits: _Digits, numbers: Sequence[int], count: int, quality: int, generator: random.Random
) -> list[_Scan]:
    """Digits of the delivery once more, as JPEGs that lost a packet in the middle; header and end are whole."""
    scans = []
    for idx, number in enumerate(generator.sample(list(numbers), count)):
        content = digits.encode(number, image_format="jpeg", quality=quality)
        lost = len(content) * 3 // 4  # behind all tables, so that viewers show something
        scans.append(_Scan(name.format(idx), digits.labels[number], content[:lost] + content[lost + 60 :]))
    return scans


def _blank_scans(
    name: str, *, count: int, image_format: ImageFormat, quality: int, generator: random.Random
) -> list[_Scan]:
    """Empty pages with a little of the scanner's noise, filed under some label."""
    from PIL import Image

    scans = []
    for idx in range(count):
        noise = bytes(value & 7 for value in generator.randbytes(SIDE * SIDE))
        image = Image.frombytes("L", (SIDE, SIDE), noise)
        content = _encoded(image, image_format=image_format, quality=quality)
        scans.append(_Scan(name.format(idx), generator.choice("0123456789"), content))
    return scans


def _first_half(content: bytes) -> bytes:
    """A transfer that broke off."""
    return content[: len(content) // 2]


def _mixed(scans: Sequence[_Scan], flawed: Sequence[_Scan], *, generator: random.Random) -> list[_Scan]:
    """The intact scans in their order, the flawed ones at random places between them."""
    mixed = list(scans)
    for scan in flawed:
        mixed.insert(generator.randrange(len(mixed) + 1), scan)
    return mixed


def digit_number(sample_name: str) -> int:
    """The digit that a sample shows, from its name: "3/ada-0042.png" is digit 42; from 7000 on it shows none."""
    return int(sample_name.rpartition("-")[2].partition(".")[0])
