"""Texts through a model: embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field

from headrace.curation.encoding.encode_rows import encode_rows
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
from headrace.curation.encoding.token_arrays import TokenArrays
from headrace.curation.operator import operator
from headrace.curation.settings import Effort, OutputName

__all__ = ["encode_text"]


@operator(
    name="encode.text",
    version=1,
    outputs={"embedding": pa.list_(pa.float32())},
    batch=True,
    batch_rows="max_batch",
    chosen=chosen_model,
    library="onnxruntime, torch, tokenizers",
    oracle="definition",
    gil_free=True,
    gpu=0.25,
    gpu_optional=True,
    memory_bytes=500_000_000,
)
def encode_text(
    text: pa.Array,  # [num_rows], text
    *,
    model: Path,
    shape: Shape,
    tokenizer: Path,
    length: Annotated[int, Field(ge=1)],
    truncate: bool = False,
    pad_id: Annotated[int, Field(ge=0)] = 0,
    tokenizer_digest: str = "",
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
    """What a model gives for a text, such as the text half of CLIP or a sentence embedding.

    By ONNX Runtime (extra `onnx`) or torch, and Hugging Face's tokenizers (extra `tokens`). The model gets `input_ids`
    as its first input, and `attention_mask` and `token_type_ids` where it has inputs of these names, int64 [batch,
    length]. A text with more tokens than `length` goes to quarantine, or is cut. Null gives null, an empty text the
    special tokens alone. The bits of a row depend on no other row, see encode.image.

    Args:
        model: A file that ends in .onnx, or weights: .safetensors, .pt, .pth or .bin. Also
            `hf://organisation/name@revision/file` of the Hugging Face hub (extra `hub`).
        shape: Of what the model gives for one row, such as [512] or [4, 64, 64].
        tokenizer: A `tokenizer.json` as Hugging Face's libraries write it; its special tokens are added. A hub name as
            for `model`.
        length: Tokens that the model takes; shorter texts are filled up.
        truncate: Cut longer texts, special tokens at the end kept.
        pad_id: Token that fills up.
        tokenizer_digest: BLAKE3 of the tokenizer's file in hex; another file is refused. Empty: any.
        module: For weights the class that they belong to, as it is imported: my_models:Encoder. Without it a .pt file
            is TorchScript.
        arguments: What the class is made with.
        digest: BLAKE3 of the model's file in hex; another file is refused. Empty: any.
        input_name: Of the model's inputs, where it has several, and the ids go
            to another one than input_ids.
        output_name: Of the model's outputs, where it gives several; of a tuple the position.
        unit_length: Divide each result by its length, so that products are cosines.
        dtype: Numbers of the column.
        into: Name of the column.
        batch: Rows of one call of the model. Its results are kept under this number, as bits depend on it.
        max_batch: On a GPU up to so many rows at once, as far as they give the same bits and memory allows.
        device: "auto" takes a GPU where there is one.
    """
    tokens = TokenArrays(tokenizer, tokenizer_digest, length, pad_id, is_cut=truncate, operator="encode.text")
    return encode_rows(
        tokens.arrays(text.to_pylist()),
        ModelSettings(
            "encode.text",
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
