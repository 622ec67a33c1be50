"""The fused path gives what the single steps give, in the memory of the batch."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import InvalidInput
from headrace.streaming.collating import collate
from headrace.streaming.transforms import (
    CenterCrop,
    DecodeImage,
    ImageToTensor,
    Normalise,
    RandomAreaCrop,
    RandomFlip,
    ResizeImage,
    ToChannelsFirst,
)
from tests.unit.streaming.transforms.samples_for_transforms import apply, context, encoded, photo, rooms


def chained(sample: dict[str, Any], *steps: Any) -> Any:
    told = context()
    for step in steps:
        sample = apply(step, sample, told)
    return sample["image"]


def test_pixels_are_those_of_the_bare_libraries() -> None:
    data = encoded(photo(300, 400))
    pixels = simplejpeg.decode_jpeg(data)
    wanted = cv2.resize(pixels[:, 50:350], (224, 224))  # [224, 224, 3]
    np.testing.assert_array_equal(apply(ImageToTensor(channels="last"), {"image": data})["image"], wanted)
    np.testing.assert_array_equal(apply(ImageToTensor(), {"image": data})["image"], wanted.transpose(2, 0, 1))


@pytest.mark.parametrize("channels", ["first", "last"])
@pytest.mark.parametrize("mean", [None, (0.5,), (0.1, 0.2, 0.3)])
@pytest.mark.parametrize("flip_probability", [0.0, 1.0])
def test_result_lies_in_the_memory_of_the_batch(channels: Any, mean: Any, flip_probability: float) -> None:
    step = ImageToTensor(16, mean=mean, std=mean, channels=channels, flip_probability=flip_probability)
    buffers = rooms(2)
    samples = [
        apply(step, {"image": encoded(photo(30, 20 + idx)), "n": idx}, context(f"{idx}", buffers=buffers, idx=idx))
        for idx in range(2)
    ]
    alone = [apply(step, {"image": encoded(photo(30, 20 + idx))})["image"] for idx in range(2)]
    batch = collate(samples, buffers)
    assert batch["image"] is buffers.arrays["image"]
    np.testing.assert_array_equal(batch["image"], np.stack(alone))
    assert batch["image"].dtype == (np.uint8 if mean is None else np.float32)


@pytest.mark.parametrize("mode", ["RGB", "GRAY", "RGBA"])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_fused_path_equals_the_steps(mode: Any, format: str) -> None:
    data = encoded(photo(50, 70), format=format)
    fused = apply(ImageToTensor(24, mode=mode), {"image": data})["image"]
    steps = chained({"image": data}, DecodeImage(mode=mode), CenterCrop(), ResizeImage((24, 24)), ToChannelsFirst())
    np.testing.assert_array_equal(fused, steps)


def test_fused_random_path_equals_the_steps() -> None:
    data = encoded(photo(50, 70))
    fused = ImageToTensor((24, 30), crop="random_area", flip_probability=0.5, mean=(0.5,), std=(0.25,))
    steps = [DecodeImage(), RandomAreaCrop(), ResizeImage((24, 30)), RandomFlip(0.5), Normalise((0.5,), (0.25,))]
    np.testing.assert_array_equal(apply(fused, {"image": data})["image"], chained({"image": data}, *steps))


def test_same_seed_epoch_and_sample_give_the_same_crop() -> None:
    step = ImageToTensor(8, crop="random_area", flip_probability=0.5)
    data = encoded(photo(60, 90))

    def made(key: str = "a", *, seed: int = 1, epoch: int = 0) -> bytes:
        image: np.ndarray = apply(step, {"image": data}, context(key, seed=seed, epoch=epoch))["image"]
        return image.tobytes()

    assert made() == made()
    assert len({made(), made("b"), made(seed=2), made(epoch=1)}) == 4


@pytest.mark.parametrize("resizer", ["opencv", "pillow"])
@pytest.mark.parametrize("mode", ["RGB", "GRAY", "RGBA"])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "area", "lanczos"])
def test_resizers_agree_on_a_smooth_picture(resizer: Any, mode: Any, interpolation: Any) -> None:
    data = encoded(photo(64, 64), format="PNG")
    step = ImageToTensor(32, mode=mode, interpolation=interpolation, resizer=resizer, channels="last")
    wanted = apply(DecodeImage(mode=mode), {"image": data})["image"][::2, ::2]
    assert np.abs(apply(step, {"image": data})["image"].astype(int) - wanted).max() <= 6


def test_no_crop_changes_the_aspect() -> None:
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, 30:] = 255  # lost by a crop of the middle
    data = encoded(pixels, format="PNG")
    whole = apply(ImageToTensor(20, crop="none", channels="last"), {"image": data})["image"]
    middle = apply(ImageToTensor(20, crop="center", channels="last"), {"image": data})["image"]
    assert whole[:, -1].min() == 255
    assert middle.max() == 0


def test_scaled_decode_is_close_and_never_too_small() -> None:
    data = encoded(photo(640, 960))
    whole = apply(ImageToTensor(64), {"image": data})["image"]
    scaled = apply(ImageToTensor(64, scaled_decode=True), {"image": data})["image"]
    assert np.abs(whole.astype(int) - scaled).max() <= 4
    small = encoded(photo(70, 100))
    np.testing.assert_array_equal(
        apply(ImageToTensor(64, scaled_decode=True), {"image": small})["image"],
        apply(ImageToTensor(64), {"image": small})["image"],
    )


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 30), st.integers(1, 30),
    st.sampled_from(["center", "random", "random_area", "none"]), st.booleans(), st.integers(0, 5),
)  # fmt: skip
def test_any_image_becomes_the_resolution(
    height: int, width: int, rows: int, columns: int, crop: Any, scaled: bool, seed: int
) -> None:
    step = ImageToTensor(
        (rows, columns), crop=crop, flip_probability=0.5, scaled_decode=scaled and crop != "random_area"
    )
    flat = encoded(np.full((height, width, 3), 90, np.uint8))
    image = apply(step, {"image": flat}, context(seed=seed))["image"]
    assert image.shape == (3, rows, columns)
    assert np.abs(image.astype(int) - 90).max() <= 2


def test_output_field_leaves_the_bytes() -> None:
    data = encoded()
    sample = apply(ImageToTensor(8, output_field="pixels"), {"image": data})
    assert sample["image"] is data
    assert sample["pixels"].shape == (3, 8, 8)


def test_error_names_field_and_sample() -> None:
    with pytest.raises(InvalidInput, match="sample 'k', field 'photo': "):
        apply(ImageToTensor(field="photo"), {"photo": b"no image"})


@pytest.mark.parametrize(
    "options",
    [
        {"resolution": 0},
        {"resolution": (3, 0)},
        {"resolution": [3, 3]},
        {"crop": "middle"},
        {"crop": "random_area", "scaled_decode": True},
        {"mean": (0.5,)},
        {"mean": (0.5,), "std": (0.0,)},
        {"mean": (0.5, 0.5), "std": (1.0, 1.0)},
        {"area": (0.0, 1.0)},
        {"aspect": (2.0, 1.0)},
        {"flip_probability": 1.5},
        {"channels": "middle"},
        {"interpolation": "best"},
        {"resizer": "torch"},
        {"mode": "BGR"},
    ],
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        ImageToTensor(**options)


WITHOUT_OPENCV = """
import sys
sys.modules["cv2"] = None  # as if it were not installed
import numpy as np
from headrace.errors import MissingExtra
from headrace.streaming import SampleContext
from headrace.streaming.transforms import ImageToTensor
sample = {"_id": "k", "image": open(sys.argv[1], "rb").read()}
told = SampleContext(key="k", seed=0, epoch=0)
try:
    ImageToTensor(8)(sample, told)
except MissingExtra as error:
    print(error)
pixels = ImageToTensor(8, resizer="pillow", flip_probability=1.0)(sample, told)["image"]
floats = ImageToTensor(8, resizer="pillow", flip_probability=1.0, mean=(0.5,), std=(0.5,))(sample, told)["image"]
np.save(sys.argv[2], pixels)
np.save(sys.argv[3], floats)
"""


def test_without_opencv_the_extra_is_named_and_pillow_gives_the_same(tmp_path: Any) -> None:
    data = encoded(photo(40, 40))
    (tmp_path / "photo.jpg").write_bytes(data)
    paths = [str(tmp_path / name) for name in ("photo.jpg", "pixels.npy", "floats.npy")]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_OPENCV, *paths],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "pip install 'headrace[image]'" in run.stdout
    for path, scale in ((paths[1], None), (paths[2], (0.5,))):
        step = ImageToTensor(8, resizer="pillow", flip_probability=1.0, mean=scale, std=scale)
        np.testing.assert_array_equal(np.load(path), apply(step, {"image": data})["image"])


def test_opencv_starts_no_threads_of_its_own() -> None:
    apply(ImageToTensor(8), {"image": encoded()})
    assert cv2.getNumThreads() <= 1


def test_nothing_is_imported_before_it_is_needed() -> None:
    code = "import sys, headrace.streaming.transforms; print(sorted({'cv2', 'torch', 'PIL.Image'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert run.stdout.strip() == "[]"
