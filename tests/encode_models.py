"""Small models for tests of encoding: ONNX files, torch classes, and files of their weights."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["Bag", "Latents", "Mean", "Moody", "Towers", "image_onnx", "scripted", "write_safetensors"]


def image_onnx(
    path: Path, *, side: int = 8, width: int = 5, seed: int = 0, rows: int | str = "n", second_output: bool = False
) -> NDArray[np.float32]:
    """Write a model that multiplies the pixels with a matrix, [3 * side * side, width], which it gives."""
    matrix = np.random.default_rng(seed).standard_normal((3 * side * side, width)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["embedding"]),
    ]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [rows, width])]
    if second_output:
        nodes.append(helper.make_node("Neg", ["embedding"], ["negative"]))
        outputs.append(helper.make_tensor_value_info("negative", TensorProto.FLOAT, [rows, width]))
    graph = helper.make_graph(
        nodes,
        "images",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [rows, 3, side, side])],
        outputs,
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return matrix


class Towers(torch.nn.Module):
    """Convolutions and attention, whose kernels depend on how many rows they see."""

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, width, 8, 8)
        self.layer = torch.nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True)
        self.head = torch.nn.Linear(width, 33)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:  # [batch, 3, side, side]
        tokens = self.patches(pixels).flatten(2).transpose(1, 2)  # [batch, patches, width]
        found: torch.Tensor = self.head(self.layer(tokens).mean(dim=1))
        return found


class Latents(torch.nn.Module):
    """An eighth of the size, as a VAE's encoder gives."""

    def __init__(self) -> None:
        super().__init__()
        self.down = torch.nn.Conv2d(3, 4, 8, 8)

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"latent": self.down(pixels), "pixels": pixels}


class Bag(torch.nn.Module):
    """The mean of the vectors of the tokens that are no filling."""

    def __init__(self, vocabulary: int = 300, width: int = 6) -> None:
        super().__init__()
        self.vectors = torch.nn.Embedding(vocabulary, width)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor]:
        weights = attention_mask[:, :, None].to(torch.float32)
        return ((self.vectors(input_ids) * weights).sum(dim=1) / weights.sum(dim=1),)


class Moody(torch.nn.Module):
    """Fails at rows whose first number is above 100, gives NaN where it is below -100."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:  # [batch, 3]
        if bool((values[:, 0] > 100).any()):
            raise ValueError("more than I can bear")
        return torch.where(values[:, :1] < -100, torch.nan, values * 2)


class Mean(torch.nn.Module):
    """Subtracts the mean of the batch, so that rows see their neighbours."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return values - values.mean(dim=0) * torch.arange(len(values), dtype=values.dtype)[:, None]


def scripted(module: torch.nn.Module, example: torch.Tensor, path: Path) -> Path:
    """Write a module as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing says much
        trace: Any = torch.jit.trace  # untyped
        torch.jit.save(trace(module.eval(), example, check_trace=False), path)
    return path


def write_safetensors(path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    """Written by the format's description."""
    names = {torch.float32: "F32", torch.float16: "F16", torch.int64: "I64", torch.bfloat16: "BF16"}
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, tensor in tensors.items():
        data = (
            tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.dim() else tensor[None].numpy().tobytes()
        )
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + body)
    return path
