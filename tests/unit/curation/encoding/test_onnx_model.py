"""ONNX models from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from headrace.curation.encoding.model import Device, ModelMismatch
from headrace.curation.encoding.onnx_model import OnnxModel
from tests.encode_models import image_onnx

PIXELS = np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype(np.float32)
HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def opened(
    path: Path, *, input_name: str | None = None, output_name: str | None = None, device: Device = "cpu"
) -> OnnxModel:
    return OnnxModel(path, input_name=input_name, output_name=output_name, device=device)


def test_model_gives_what_numpy_gives(tmp_path: Path) -> None:
    matrix = image_onnx(tmp_path / "model.onnx")
    model = opened(tmp_path / "model.onnx")
    np.testing.assert_allclose(model.run({"": PIXELS}), PIXELS.reshape(4, -1) @ matrix, rtol=1e-4, atol=1e-4)
    assert (model.device, model.fixed_rows) == ("cpu", None)
    image_onnx(tmp_path / "fixed.onnx", rows=4)
    assert opened(tmp_path / "fixed.onnx").fixed_rows == 4


def test_inputs_and_outputs_are_named(tmp_path: Path) -> None:
    image_onnx(tmp_path / "two.onnx", second_output=True)
    with pytest.raises(ModelMismatch, match="it has the outputs embedding, negative; name one as output_name"):
        opened(tmp_path / "two.onnx")
    first = opened(tmp_path / "two.onnx", output_name="embedding", input_name="pixels").run({"": PIXELS})
    second = opened(tmp_path / "two.onnx", output_name="negative").run({"": PIXELS})
    assert np.array_equal(first, -second)
    with pytest.raises(ModelMismatch, match="no output 'x'; it has embedding, negative"):
        opened(tmp_path / "two.onnx", output_name="x")
    with pytest.raises(ModelMismatch, match="no input 'x'; it has pixels"):
        opened(tmp_path / "two.onnx", output_name="negative", input_name="x")


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    image_onnx(tmp_path / "model.onnx", side=16, width=40)
    onnx.save_model(
        onnx.load(tmp_path / "model.onnx"),
        tmp_path / "outside.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    with pytest.raises(ModelMismatch, match="weights lie in another file"):
        opened(tmp_path / "outside.onnx")


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ModelMismatch, match="ONNX Runtime cannot open it"):
        opened(tmp_path / "bad.onnx")


@pytest.mark.skipif(HAS_CUDA, reason="this ONNX Runtime has CUDA")
def test_gpu_that_is_not_there_is_told(tmp_path: Path) -> None:
    image_onnx(tmp_path / "model.onnx")
    with pytest.raises(ModelMismatch, match="has no CUDA"):
        opened(tmp_path / "model.onnx", device="cuda")
    assert opened(tmp_path / "model.onnx", device="auto").device == "cpu"
