"""Encode operators against models whose results NumPy computes, and cosines by scipy."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from headrace.curation import find_operator
from headrace.testing import run_operator
from proofs.operators.comparison import Comparison, largest
from proofs.operators.encode_oracles import (
    cosine_by_scipy,
    linear_onnx,
    mean_of_tokens_by_hand,
    tokens_onnx,
    vision_input_by_definition,
)
from proofs.operators.generated_images import encoded, generated_pixels
from proofs.operators.generated_texts import PASSAGES, language_texts
from proofs.operators.text_oracles import train_tokenizer

__all__ = ["ENCODE_COMPARISONS"]

_MEAN, _STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
_SIDE, _WIDTH, _TOKENS = 24, 16, 48


def _relative(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    scale = np.abs(wanted).max(axis=1, keepdims=True)
    return float((np.abs(found - wanted) / np.where(scale, scale, 1)).max(initial=0.0))


def _images(num_rows: int, seed: int) -> float:
    random = np.random.default_rng(seed)
    sizes = [(int(random.integers(8, 90)), int(random.integers(8, 90))) for _ in range(num_rows)]
    data = [encoded(generated_pixels(random, width=width, height=height), format="PNG") for width, height in sizes]
    matrix = random.standard_normal((3 * _SIDE * _SIDE, _WIDTH)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        model = linear_onnx(Path(folder) / "model.onnx", matrix, shape=[3, _SIDE, _SIDE])
        found = run_operator(
            find_operator("encode.image"),
            [{"image": value} for value in data],
            model=model,
            shape=[_WIDTH],
            size=_SIDE,
            mean=_MEAN,
            std=_STD,
        )
    pixels = [np.asarray(Image.open(io.BytesIO(value)).convert("RGB")) for value in data]
    inputs = [vision_input_by_definition(value, side=_SIDE, mean=_MEAN, std=_STD) for value in pixels]
    wanted = np.stack([value.reshape(-1) for value in inputs]) @ matrix.astype(np.float64)
    return _relative(np.array(found["embedding"].to_pylist()), wanted)


def _texts(num_rows: int, seed: int) -> float:
    texts = [text for _, text in language_texts(num_rows, seed=seed)]
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = train_tokenizer(Path(folder) / "tokenizer.json", list(PASSAGES.values()))
        vectors = random.standard_normal((4096, _WIDTH)).astype(np.float32)
        model = tokens_onnx(Path(folder) / "model.onnx", vectors)
        found = run_operator(
            find_operator("encode.text"),
            pa.table({"text": texts}),
            model=model,
            shape=[_WIDTH],
            tokenizer=tokenizer,
            length=_TOKENS,
            truncate=True,
        )
        wanted = [mean_of_tokens_by_hand(tokenizer, text, vectors, length=_TOKENS) for text in texts]
    return _relative(np.array(found["embedding"].to_pylist()), np.stack(wanted))


def _vectors(num_rows: int, seed: int) -> float:
    random = np.random.default_rng(seed)
    rows = random.standard_normal((num_rows, 40))
    matrix = random.standard_normal((40, _WIDTH)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        model = linear_onnx(Path(folder) / "model.onnx", matrix, shape=[40])
        table = pa.table({"vector": pa.array(rows.tolist(), pa.list_(pa.float64()))})
        found = run_operator(
            find_operator("encode.vector"), table, model=model, shape=[_WIDTH], input_shape=[40], unit_length=True
        )
    wanted = rows @ matrix.astype(np.float64)
    return _relative(np.array(found["embedding"].to_pylist()), wanted / np.linalg.norm(wanted, axis=1, keepdims=True))


def _similarity(num_rows: int, seed: int) -> float:
    random = np.random.default_rng(seed)
    left, right = random.standard_normal((2, num_rows, 48)).astype(np.float32)
    table = pa.table({"left": pa.array(list(left)), "right": pa.array(list(right))})
    found = run_operator(find_operator("score.similarity"), table, scale=100.0)["similarity"].to_pylist()
    return largest(abs(value - 100 * cosine_by_scipy(one, other)) for value, one, other in zip(found, left, right))


ENCODE_COMPARISONS = [
    Comparison(
        "encode.image",
        "a linear model in float64 by NumPy, of images resized by Pillow and normalised as torchvision defines it",
        _images,
        unit="relative",
        tolerance=1e-5,
        num_rows=300,
    ),
    Comparison(
        "encode.text",
        "the mean of the vectors of a text's tokens, which Python merges by hand and cuts",
        _texts,
        unit="relative",
        tolerance=1e-5,
        num_rows=300,
    ),
    Comparison(
        "encode.vector",
        "a linear model in float64 by NumPy, divided by its length",
        _vectors,
        unit="relative",
        tolerance=1e-5,
    ),
    Comparison(
        "score.similarity",
        "scipy.spatial.distance.cosine in float64",
        _similarity,
        unit="absolute, of 100",
        tolerance=1e-4,
    ),
]
