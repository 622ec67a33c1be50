"""Images through a model: embeddings and latents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from headrace.curation.encoding.encode_rows import Prepared, encode_rows
from headrace.curation.encoding.image_arrays import Colour, Fit, ImageArrays, Interpolation, Layout
from headrace.curation.encoding.model import Device
from headrace.curation.encoding.model_settings import (
    Arguments,
    BatchRows,
    MaxBatch,
    ModelSettings,
    NumberType,
    Shape,
    chosen_model,
)
from headrace.curation.media import Media
from headrace.curation.operator import operator
from headrace.curation.settings import Effort, OutputName
from headrace.errors import InvalidInput, MissingExtra

__all__ = ["encode_image"]

Side = Annotated[int, Field(ge=1, le=65_535)]
Numbers = Annotated[list[float], Field(min_length=1, max_length=3)]


@operator(
    name="encode.image",
    version=1,
    outputs={"embedding": pa.list_(pa.float32())},
    batch=True,
    batch_rows="max_batch",
    chosen=chosen_model,
    library="onnxruntime, torch, pillow",
    oracle="definition",
    gil_free=True,
    gpu=0.25,
    gpu_optional=True,
    memory_bytes=500_000_000,
)
def encode_image(
    image: list[Media | None],  # [num_rows]
    *,
    model: Path,
    shape: Shape,
    size: Side | Annotated[list[Side], Field(min_length=2, max_length=2)],
    fit: Fit = "crop",
    interpolation: Interpolation = "bicubic",
    colour: Colour = "rgb",
    mean: Numbers | None = None,
    std: Numbers | None = None,
    layout: Layout = "channels_first",
    module: str | None = None,
    arguments: Arguments = None,
    digest: str = "",
    input_name: str | None = None,
    output_name: str | None = None,
    unit_length: bool = False,
    dtype: NumberType = "float32",
    into: OutputName = OutputName("embedding"),
    batch: BatchRows = 8,
    max_batch: MaxBatch = Effort(64),
    device: Device = "auto",
) -> dict[str, Any]:  # `embedding` and `_failed`, each [num_rows]
    """What a model gives for an image: an embedding such as CLIP's, or a latent of a VAE.

    By ONNX Runtime (extra `onnx`) or torch. The image is resized by Pillow and normalised: (pixel / 255 - mean) / std
    in float32. The column's type is a list of fixed size, of a latent lists in each other, so it says the shape. A row
    goes to quarantine where the image cannot be decoded, or the model fails at it or gives NaN or infinity.

    The same row gives the same bits in whatever chunk and engine: calls have `batch` rows, filled up where there are
    fewer, and one thread. Other processors, GPUs and versions of the libraries give slightly other numbers; the
    versions are part of the key of results. The EXIF orientation is not applied, alpha is dropped.

    Args:
        model: A file that ends in .onnx, or weights: .safetensors, .pt, .pth or .bin. Also
            `hf://organisation/name@revision/file` of the Hugging Face hub (extra `hub`).
        shape: Of what the model gives for one row, such as [512] or [4, 64, 64].
        size: Pixels of the model's input: a side, or [height, width].
        fit: "crop" covers it and cuts off what is over on both sides, "stretch" changes the aspect, "exact" refuses
            images of another size.
        interpolation: Of the resizing.
        colour: Channels: "grey" is one.
        mean: One number, or one for each channel; 0.5 by default, which together with `std` gives -1 to 1.
        std: One number, or one for each channel; 0.5 by default.
        layout: "channels_first" is [batch, channels, height, width], "channels_last" [batch, height, width, channels].
        module: For weights the class that they belong to, as it is imported: my_models:Encoder. Without it a .pt file
            is TorchScript.
        arguments: What the class is made with.
        digest: BLAKE3 of the model's file in hex; another file is refused. Empty: any.
        input_name: Of the model's inputs, where it has several.
        output_name: Of the model's outputs, where it gives several; of a tuple the position.
        unit_length: Divide each result by its length, so that products are cosines.
        dtype: Numbers of the column.
        into: Name of the column.
        batch: Rows of one call of the model. Its results are kept under this number, as bits depend on it.
        max_batch: On a GPU up to so many rows at once, as far as they give the same bits and memory allows.
        device: "auto" takes a GPU where there is one.
    """
    arrays = ImageArrays.of(
        size,
        fit=fit,
        interpolation=interpolation,
        colour=colour,
        mean=[0.5] if mean is None else mean,
        std=[0.5] if std is None else std,
        layout=layout,
    )
    return encode_rows(
        [_prepared(arrays, media) for media in image],
        ModelSettings(
            "encode.image",
            model,
            digest=digest,
            module=module,
            arguments=tuple(sorted((arguments or {}).items())),
            input_name=input_name,
            output_name=output_name,
            shape=tuple(shape),
            dtype=dtype,
            unit_length=unit_length,
            batch=batch,
            max_batch=max_batch,
            device=device,
        ),
    )


def _prepared(arrays: ImageArrays, image: Media | None) -> Prepared:
    if image is None:
        return None
    try:
        return {"": arrays.array(image)}
    except MissingExtra:
        raise
    except InvalidInput as error:
        return error.message
