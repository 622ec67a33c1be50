"""Lists of transforms for the usual cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from headrace.datasets.images.decode_options import ImageMode
from headrace.errors import InvalidInput
from headrace.streaming.samples import Sample
from headrace.streaming.transforms.class_name_to_id import ClassNameToId
from headrace.streaming.transforms.extract_subfield import ExtractSubfield
from headrace.streaming.transforms.image_to_tensor import Crop, ImageToTensor
from headrace.streaming.transforms.load_array import LoadArray
from headrace.streaming.transforms.one_hot import OneHot
from headrace.streaming.transforms.parse_json import ParseJson
from headrace.streaming.transforms.pixel_layout import Channels
from headrace.streaming.transforms.sample_latent import SampleLatent

__all__ = ["image_pipeline", "latent_pipeline", "metadata_pipeline"]

Transforms = list[Callable[..., Sample]]


def image_pipeline(
    field: str = "image",
    *,
    resolution: int | tuple[int, int] = 224,
    crop: Crop = "center",
    flip_probability: float = 0.0,
    normalise: bool = False,
    mode: ImageMode = "RGB",
    channels: Channels = "first",
    output_field: str | None = None,
) -> Transforms:
    """Bytes of images to uint8 [3, resolution, resolution], or float32 of -1 to 1 if `normalise`.

    One `ImageToTensor`; take it directly for everything else that it can do.
    """
    scale = (0.5,) if normalise else None
    return [
        ImageToTensor(
            resolution,
            field,
            output_field,
            crop=crop,
            flip_probability=flip_probability,
            mean=scale,
            std=scale,
            mode=mode,
            channels=channels,
        )
    ]


def latent_pipeline(
    field: str = "latent",
    *,
    key: str | None = None,
    dtype: str = "float32",
    is_distribution: bool = True,
    scale: float = 1.0,
) -> Transforms:
    """Bytes of .npy, .npz or .pt files to latents [channels, height, width].

    Args:
        key: Which array of several, see `LoadArray`.
        is_distribution: The files hold means and logarithms of variances, from which `SampleLatent` draws.
        scale: See `SampleLatent`; without a distribution latents are taken as they are, and it must be 1.

    Raises:
        InvalidInput: A scale without a distribution.
    """
    if not is_distribution:
        if scale != 1.0:
            raise InvalidInput("scale belongs to is_distribution=True; scale finished latents where they are used")
        return [LoadArray(field, key, dtype)]
    return [LoadArray(field, key, dtype), SampleLatent(field, scale)]


def metadata_pipeline(
    field: str = "meta",
    *,
    class_path: str | None = None,
    classes: Sequence[str] | Mapping[str, int] | None = None,
    one_hot: bool = False,
    class_field: str = "class_label",
) -> Transforms:
    """JSON text to a dict and, if asked, a class out of it.

    Args:
        class_path: Where in the dict the class is: names joined by dots; None takes none.
        classes: Names in the order of their numbers, or numbers by name; None where the dict holds numbers.
        one_hot: Make a vector [num_classes] of the number; needs `classes`.
        class_field: Gets the class.

    Raises:
        InvalidInput: `one_hot` without `classes`, or `classes` without `class_path`.
    """
    transforms: Transforms = [ParseJson(field)]
    if class_path is None:
        if classes is not None or one_hot:
            raise InvalidInput("metadata_pipeline: classes and one_hot need class_path, where in the dict the class is")
        return transforms
    transforms.append(ExtractSubfield(f"{field}.{class_path}", class_field))
    if classes is not None:
        transforms.append(ClassNameToId(classes, class_field))
    if one_hot:
        if classes is None:
            raise InvalidInput("metadata_pipeline: one_hot needs classes, to know how many there are")
        ids = classes.values() if isinstance(classes, Mapping) else range(len(classes))
        transforms.append(OneHot(max(ids) + 1, class_field))
    return transforms
