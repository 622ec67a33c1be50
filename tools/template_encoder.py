"""Writes the small encoder of the template multi-source-images; `--check` compares it with the one that is there.

It stands for a VAE's encoder, with latents of the same form and without what makes theirs good: of each 8 x 8 pixels
the mean brightness, two mean differences of colours, and how much brighter the right half is than the left.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PLACE = Path(__file__).parents[1] / "src" / "headrace" / "curation" / "templates" / "encoder.onnx"
PATCH = 8  # pixels
SIDE = 64  # pixels
_COLOURS = ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081), (0.299, 0.587, 0.114))


def encoder() -> bytes:
    """The model: images [batch, 3, 64, 64] from -1 to 1, latents [batch, 4, 8, 8]."""
    weights = np.empty((len(_COLOURS), 3, PATCH, PATCH), dtype=np.float32)
    weights[:] = np.array(_COLOURS, dtype=np.float32)[:, :, None, None] / PATCH**2
    weights[3, :, :, : PATCH // 2] *= -1
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weights"], ["latent"], strides=[PATCH, PATCH])],
        "patch-encoder",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("latent", TensorProto.FLOAT, ["batch", 4, SIDE // PATCH, SIDE // PATCH])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="headrace")
    model.ir_version = 8  # that ONNX Runtime of several years reads
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def main() -> int:
    """Write it, or tell whether it is as it would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    content = encoder()
    if not parser.parse_args().check:
        PLACE.write_bytes(content)
        return 0
    if PLACE.exists() and PLACE.read_bytes() == content:
        return 0
    print(f"{PLACE} is not what {Path(__file__).name} writes; run it", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
