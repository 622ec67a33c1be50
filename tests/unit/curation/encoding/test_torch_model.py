"""Torch models from files, of which none can run code."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headrace.curation.encoding.model import Device, ModelMismatch
from headrace.curation.encoding.model_settings import chosen_model
from headrace.curation.encoding.safetensors_file import read_safetensors
from headrace.curation.encoding.torch_model import TorchModel
from headrace.errors import InvalidInput
from tests.encode_models import Latents, Towers, scripted, write_safetensors

PIXELS = np.random.default_rng(0).standard_normal((2, 3, 16, 16)).astype(np.float32)


def opened(
    path: Path,
    module: str | None = None,
    *,
    output: str | None = None,
    device: Device = "cpu",
    **arguments: object,
) -> TorchModel:
    return TorchModel(path, module=module, arguments=arguments, input_name=None, output_name=output, device=device)


@pytest.fixture
def towers() -> Towers:
    torch.manual_seed(1)
    return Towers(32).eval()


def test_safetensors_state_dict_and_torchscript_are_the_same_model(tmp_path: Path, towers: Towers) -> None:
    torch.save(towers.state_dict(), tmp_path / "weights.pt")
    made = [
        opened(
            write_safetensors(tmp_path / "weights.safetensors", towers.state_dict()),
            "tests.encode_models:Towers",
            width=32,
        ),
        opened(tmp_path / "weights.pt", "tests.encode_models:Towers", width=32),
        opened(scripted(towers, torch.from_numpy(PIXELS), tmp_path / "whole.pt")),
    ]
    with torch.inference_mode():
        wanted = towers(torch.from_numpy(PIXELS)).numpy()
    for model in made:
        np.testing.assert_allclose(model.run({"": PIXELS}), wanted, atol=1e-6)


class _Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def test_pickled_objects_are_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    torch.save({"weight": _Evil(mark)}, tmp_path / "evil.pt")
    with pytest.raises(ModelMismatch, match="files that hold other objects are not opened"):
        opened(tmp_path / "evil.pt", "tests.encode_models:Towers")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(_Evil(mark)))
    for module in (None, "tests.encode_models:Towers"):
        with pytest.raises(ModelMismatch):
            opened(tmp_path / "raw.pt", module)
    with pytest.raises(ModelMismatch, match="cannot open it as TorchScript"):
        opened(tmp_path / "evil.pt")
    assert not mark.exists()
    pickle.loads((tmp_path / "raw.pt").read_bytes())
    assert mark.exists(), "the trap would have worked"


def test_exported_programs_are_refused_with_what_to_do(tmp_path: Path) -> None:
    settings = {"model": tmp_path / "model.pt2", "module": None, "shape": [3], "dtype": "float32"}
    with pytest.raises(InvalidInput, match="export the model to ONNX"):
        chosen_model(settings)


def test_weights_that_do_not_fit_are_told(tmp_path: Path, towers: Towers) -> None:
    path = write_safetensors(tmp_path / "weights.safetensors", towers.state_dict())
    with pytest.raises(ModelMismatch, match=r"do not fit tests\.encode_models:Towers"):
        opened(path, "tests.encode_models:Towers", width=64)
    with pytest.raises(ModelMismatch, match="cannot be imported"):
        opened(path, "tests.no_such_models:Towers")
    with pytest.raises(ModelMismatch, match=r"expected a torch.nn.Module"):
        opened(path, "collections:OrderedDict")
    with pytest.raises(ModelMismatch, match="unexpected keyword argument"):
        opened(path, "tests.encode_models:Towers", depth=3)


def test_output_is_chosen_by_name(tmp_path: Path) -> None:
    module = Latents()
    path = write_safetensors(tmp_path / "weights.safetensors", module.state_dict())
    found = opened(path, "tests.encode_models:Latents", output="latent").run({"": PIXELS})
    assert found.shape == (2, 4, 2, 2)
    with pytest.raises(ModelMismatch, match="gives a dict with latent, pixels; expected a tensor"):
        opened(path, "tests.encode_models:Latents").run({"": PIXELS})


def test_gpu_that_is_not_there_is_told(tmp_path: Path, towers: Towers) -> None:
    path = write_safetensors(tmp_path / "weights.safetensors", towers.state_dict())
    if torch.cuda.is_available():
        assert opened(path, "tests.encode_models:Towers", device="cuda", width=32).device == "cuda"
    else:
        with pytest.raises(ModelMismatch, match="torch finds no GPU"):
            opened(path, "tests.encode_models:Towers", device="cuda", width=32)


def test_safetensors_keep_every_kind_and_shape(tmp_path: Path) -> None:
    tensors = {
        "scalar": torch.tensor(3.5),
        "größe": torch.arange(6).reshape(2, 3),
        "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
        "brain": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "none": torch.zeros(0, 4),
    }
    found = read_safetensors(write_safetensors(tmp_path / "all.safetensors", tensors))
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", (200).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]"],
    ids=["empty", "short", "header beyond the end", "list"],
)
def test_safetensors_that_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"header|begin"):
        read_safetensors(tmp_path / "bad.safetensors")


def test_safetensors_beyond_the_end_are_refused(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "cut.safetensors", {"a": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="does not lie inside"):
        read_safetensors(path)
    buffer = io.BytesIO()
    torch.save({}, buffer)
    assert buffer.getvalue()[:2] == b"PK"
