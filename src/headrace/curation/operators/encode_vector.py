"""Lists of numbers through a model: projections, heads, decoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.curation.encoding.encode_rows import encode_rows
from headrace.curation.encoding.list_arrays import list_arrays
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
from headrace.curation.operator import operator
from headrace.curation.settings import Effort, OutputName

__all__ = ["encode_vector"]


@operator(
    name="encode.vector",
    version=1,
    outputs={"embedding": pa.list_(pa.float32())},
    batch=True,
    batch_rows="max_batch",
    chosen=chosen_model,
    library="onnxruntime, torch",
    oracle="numpy",
    gil_free=True,
    gpu=0.25,
    gpu_optional=True,
    memory_bytes=500_000_000,
)
def encode_vector(
    vector: pa.Array,  # [num_rows], lists of numbers
    *,
    model: Path,
    shape: Shape,
    input_shape: Shape,
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
    """What a model gives for a list of numbers: an embedding's projection, a score by a small head, an audio window.

    By ONNX Runtime (extra `onnx`) or torch. The numbers reach the model as float32 [batch, *input_shape]. A list of
    another length, or with null, NaN or infinity, goes to quarantine. The bits of a row depend on no other row, see
    encode.image.

    Args:
        model: A file that ends in .onnx, or weights: .safetensors, .pt, .pth or .bin. Also
            `hf://organisation/name@revision/file` of the Hugging Face hub (extra `hub`).
        shape: Of what the model gives for one row, such as [512] or [4, 64, 64].
        input_shape: Of one row's numbers, such as [768] or [1, 16000]; their product is the length of the list.
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
    rows = list_arrays(vector, shape=input_shape, operator="encode.vector")
    return encode_rows(
        [row if row is None or isinstance(row, str) else {"": row} for row in rows],
        ModelSettings(
            "encode.vector",
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
