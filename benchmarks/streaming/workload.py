"""The samples that everybody loads, and the one function that everybody decodes with.

Imported in each peer's environment, so it needs nothing but NumPy, simplejpeg and OpenCV.
"""

from __future__ import annotations

import functools
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["BATCH_SIZE", "SHARD_BYTES", "SIDE", "Workload", "collate", "decode", "decoded", "write_workload"]

BATCH_SIZE = 64
SHARD_BYTES = 64_000_000  # of those formats that have shards
SIDE = 224
_WORDS = (
    "bright",
    "dark",
    "field",
    "green",
    "large",
    "light",
    "old",
    "photo",
    "red",
    "river",
    "small",
    "street",
    "tree",
)
_WORDS_PER_TEXT = 14

Sample = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """Photos with a key, a label and a text. `folder` holds the list of them and, below, each peer's own format."""

    folder: Path

    def samples(self) -> list[Sample]:
        """Without bytes: key, label, text, path, size; in the order of the keys."""
        return [json.loads(line) for line in (self.folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()]

    def with_images(self) -> Iterator[Sample]:
        """What the peers write into their formats: key, label, text, image."""
        for sample in self.samples():
            image = Path(sample["path"]).read_bytes()
            yield {"key": sample["key"], "label": sample["label"], "text": sample["text"], "image": image}


def write_workload(folder: Path, *, photos: Sequence[tuple[str, Path]]) -> Workload:
    """List the photos, (label, file) each, with generated texts; the same in every run."""
    labels = {label: idx for idx, label in enumerate(sorted({label for label, _ in photos}))}
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for row, (label, file) in enumerate(photos):
        text = " ".join(random.Random(row).choices(_WORDS, k=_WORDS_PER_TEXT))
        size = file.stat().st_size
        lines.append({"key": f"{row:07d}", "label": labels[label], "text": text, "path": str(file), "size": size})
    listed = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "samples.jsonl").write_text(listed, encoding="utf-8")
    return Workload(folder)


@functools.cache
def _codec() -> tuple[Callable[..., Any], Callable[..., Any]]:
    import cv2
    import simplejpeg

    cv2.setNumThreads(0)
    return simplejpeg.decode_jpeg, cv2.resize


def decode(data: bytes, target: np.ndarray | None = None) -> np.ndarray:
    """The centre square at 224 pixels, uint8 [224, 224, 3]; written into `target` if there is one."""
    decode_jpeg, resize = _codec()
    pixels = decode_jpeg(data)  # uint8 [height, width, 3]
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[top : top + side, left : left + side]  # [side, side, 3]
    resized: np.ndarray = resize(square, (SIDE, SIDE), dst=target)  # [224, 224, 3]
    return resized


def decoded(sample: Mapping[str, Any]) -> Sample:
    """The sample with pixels in place of bytes."""
    return {**sample, "image": decode(sample["image"])}


def collate(samples: Sequence[Mapping[str, Any]], *, is_decoded: bool) -> dict[str, Any]:
    """A batch: keys and texts as lists; labels, and pixels [batch, 224, 224, 3], as tensors if the peer uses torch."""
    torch = sys.modules.get("torch")
    as_array: Callable[[np.ndarray], Any] = np.asarray if torch is None else torch.from_numpy
    images = [sample["image"] for sample in samples]
    return {
        "key": [sample["key"] for sample in samples],
        "label": as_array(np.array([int(sample["label"]) for sample in samples])),  # [batch]
        "text": [sample["text"] for sample in samples],
        "image": as_array(np.stack(images)) if is_decoded else images,
    }
