"""Models in ONNX, by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from headrace.curation.encoding.model import Arrays, Device, ModelMismatch

__all__ = ["OnnxModel"]

_DTYPES: Final = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
}
_EXTERNAL: Final = b"\n\x08location\x12"  # a key of TensorProto.external_data: weights that lie in another file
_FATAL_ONLY: Final = 4


class OnnxModel:
    """One session with one thread: lanes and processes share the cores. Thread-safe, as sessions are."""

    def __init__(self, path: Path, *, input_name: str | None, output_name: str | None, device: Device) -> None:
        """
        Raises:
            ModelMismatch: The file cannot be opened, keeps weights elsewhere, has no such input or output, or the
                device is not there.
        """
        content = path.read_bytes()
        if _EXTERNAL in content:
            raise ModelMismatch(
                "its weights lie in another file, whose content results would not be kept under; save it as one file: "
                "torch.onnx.export(..., external_data=False), or onnx.save_model(..., save_as_external_data=False)"
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = _FATAL_ONLY
        has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
        if device == "cuda" and not has_cuda:
            raise ModelMismatch(
                "device is 'cuda', and this ONNX Runtime has no CUDA; install onnxruntime-gpu instead of onnxruntime"
            )
        cuda = ("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"})
        providers: list[Any] = [cuda] if has_cuda and device != "cpu" else []
        try:
            self._session = ort.InferenceSession(content, options, providers=[*providers, "CPUExecutionProvider"])
        except Exception as error:
            # The library raises classes of its own for whatever is wrong with the file.
            raise ModelMismatch(f"ONNX Runtime cannot open it: {error}") from error
        self.device = "cuda" if "CUDAExecutionProvider" in self._session.get_providers() else "cpu"
        if device == "cuda" and self.device != "cuda":
            raise ModelMismatch("device is 'cuda', and ONNX Runtime found no GPU that it can use")
        self._inputs = {node.name: node for node in self._session.get_inputs()}
        outputs = [node.name for node in self._session.get_outputs()]
        if output_name is None and len(outputs) > 1:
            raise ModelMismatch(f"it has the outputs {', '.join(outputs)}; name one as output_name")
        if output_name is not None and output_name not in outputs:
            raise ModelMismatch(f"it has no output {output_name!r}; it has {', '.join(outputs)}")
        if input_name is not None and input_name not in self._inputs:
            raise ModelMismatch(f"it has no input {input_name!r}; it has {', '.join(self._inputs)}")
        self._input_name = input_name
        self._output_name = output_name or outputs[0]
        first = next(iter(self._inputs.values()), None)
        rows = first.shape[0] if first is not None and first.shape else None
        self.fixed_rows: int | None = rows if isinstance(rows, int) and rows > 0 else None

    def run(self, arrays: Arrays) -> NDArray[Any]:
        """See `Model`."""
        feeds = {name: array.astype(self._dtype(name), copy=False) for name, array in self._named(arrays).items()}
        found = self._session.run([self._output_name], feeds)[0]
        if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
            raise ModelMismatch(f"its output {self._output_name!r} is no tensor of floats")
        return found

    def _named(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Arrays by the names of the model's inputs."""
        if self._input_name is not None:
            first = next(iter(arrays.values()))
            rest = {name: array for name, array in arrays.items() if name in self._inputs and name != self._input_name}
            named = {self._input_name: first, **rest}
        elif len(self._inputs) == 1:
            named = {next(iter(self._inputs)): next(iter(arrays.values()))}
        else:
            named = {name: array for name, array in arrays.items() if name in self._inputs}
        missing = [name for name in self._inputs if name not in named]
        if missing:
            raise ModelMismatch(f"it has the inputs {', '.join(self._inputs)}, and nothing is known for {missing[0]!r}")
        return named

    def _dtype(self, name: str) -> Any:
        kind = self._inputs[name].type
        if kind not in _DTYPES:
            raise ModelMismatch(f"its input {name!r} is {kind}; known are {', '.join(_DTYPES)}")
        return _DTYPES[kind]
