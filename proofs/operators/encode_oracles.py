"""Models with known weights, and what they must give, in NumPy and scipy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from scipy.spatial.distance import cosine

from proofs.operators.text_oracles import merged_ids

__all__ = [
    "cosine_by_scipy",
    "linear_onnx",
    "mean_of_tokens_by_hand",
    "tokens_onnx",
    "vision_input_by_definition",
]


def linear_onnx(
    path: Path,
    matrix: NDArray[np.float32],  # [num_inputs, width]
    *,
    shape: Sequence[int],
) -> Path:
    """A model that multiplies rows of this shape with the matrix."""
    return _written(
        path,
        [
            helper.make_node("Flatten", ["values"], ["flat"]),
            helper.make_node("MatMul", ["flat", "matrix"], ["found"]),
        ],
        inputs=[helper.make_tensor_value_info("values", TensorProto.FLOAT, ["n", *shape])],
        width=matrix.shape[1],
        weights={"matrix": matrix},
    )


def tokens_onnx(
    path: Path,
    vectors: NDArray[np.float32],  # [vocabulary, width]
) -> Path:
    """A model that gives the mean of the vectors of those tokens that the mask has."""
    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["each"], axis=0),  # [n, length, width]
        helper.make_node("Cast", ["attention_mask"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weights", "last"], ["wide"]),
        helper.make_node("Mul", ["each", "wide"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["wide", "middle"], ["count"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["found"]),
    ]
    return _written(
        path,
        nodes,
        inputs=[
            helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "length"])
            for name in ("input_ids", "attention_mask")
        ],
        width=vectors.shape[1],
        weights={"vectors": vectors, "last": np.array([2], np.int64), "middle": np.array([1], np.int64)},
    )


def _written(path: Path, nodes: list[Any], *, inputs: list[Any], width: int, weights: dict[str, NDArray[Any]]) -> Path:
    graph = helper.make_graph(
        nodes,
        "model",
        inputs,
        [helper.make_tensor_value_info("found", TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def vision_input_by_definition(
    pixels: NDArray[np.uint8],  # [height, width, 3]
    *,
    side: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> NDArray[np.float64]:  # [3, side, side]
    """The shorter side scaled, the middle cut out, normalised: torchvision's transforms for CLIP, in float64."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    scaled = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
    resized = np.asarray(Image.fromarray(pixels).resize(scaled, Image.Resampling.BICUBIC)) if short != side else pixels
    top, left = (resized.shape[0] - side) // 2, (resized.shape[1] - side) // 2
    middle = resized[top : top + side, left : left + side].astype(np.float64)
    found: NDArray[np.float64] = ((middle / 255 - np.array(mean)) / np.array(std)).transpose(2, 0, 1)
    return found


def mean_of_tokens_by_hand(
    tokenizer: Path,
    text: str,
    vectors: NDArray[np.float32],  # [vocabulary, width]
    *,
    length: int,
) -> NDArray[np.float64]:  # [width]
    """Of the first `length` tokens."""
    ids = merged_ids(tokenizer, text)[:length]
    found: NDArray[np.float64] = vectors[ids].astype(np.float64).mean(axis=0)
    return found


def cosine_by_scipy(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Of two vectors [width]."""
    return 1 - float(cosine(left.astype(np.float64), right.astype(np.float64)))
