"""Arrays from every kind of file, and nothing else from any."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from headrace.errors import InvalidInput
from headrace.streaming.collating import collate
from headrace.streaming.transforms import LoadArray
from tests.unit.streaming.transforms.samples_for_transforms import apply, context, rooms


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npz(*, is_compressed: bool = False, **members: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if is_compressed else np.savez)(file, **members)
    return file.getvalue()


def pt(value: object, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def loaded(data: bytes, **options: Any) -> np.ndarray:
    array: np.ndarray = apply(LoadArray("latent", **options), {"latent": data})["latent"]
    assert array.flags.writeable
    return array


LATENT = np.linspace(-2, 2, 24, dtype=np.float32).reshape(4, 3, 2)


@pytest.mark.parametrize(
    "data",
    [
        npy(LATENT),
        npy(np.asfortranarray(LATENT)),
        npy(LATENT.astype(">f4")),
        npz(only=LATENT),
        npz(is_compressed=True, only=LATENT),
        pt(torch.from_numpy(LATENT)),
        pt(torch.from_numpy(LATENT), _use_new_zipfile_serialization=False),
        pt({"only": torch.from_numpy(LATENT)}),
        pt(torch.nn.Parameter(torch.from_numpy(LATENT))),
    ],
    ids=["npy", "fortran", "big-endian", "npz", "npz-deflated", "pt", "pt-legacy", "pt-dict", "pt-parameter"],
)
@pytest.mark.parametrize("is_gzipped", [False, True])
def test_every_file_gives_the_array(data: bytes, is_gzipped: bool) -> None:
    array = loaded(gzip.compress(data) if is_gzipped else data)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, LATENT)


@given(arrays.arrays(arrays.scalar_dtypes().filter(lambda dtype: dtype.kind in "biufc" and dtype.itemsize <= 8),
                     arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))  # fmt: skip
def test_npy_round_trip(array: np.ndarray) -> None:
    found = loaded(npy(array))
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@given(st.data())
def test_damaged_files_give_an_array_or_one_error(draws: st.DataObject) -> None:
    data = draws.draw(
        st.sampled_from([npy(LATENT), npz(a=LATENT), npz(is_compressed=True, a=LATENT), pt(torch.from_numpy(LATENT))])
    )
    broken = bytearray(data)
    for _ in range(draws.draw(st.integers(1, 5))):
        broken[draws.draw(st.integers(0, len(data) - 1))] = draws.draw(st.integers(0, 255))
    end = draws.draw(st.integers(0, len(data)))
    try:
        found: object = loaded(bytes(broken[:end] if draws.draw(st.booleans()) else broken))
    except InvalidInput as error:
        found = str(error)
    assert isinstance(found, np.ndarray) or "sample 'k', field 'latent'" in str(found)


def test_bfloat16_becomes_float32() -> None:
    tensor = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    found = loaded(pt(tensor))
    assert found.dtype == np.float32
    assert found.tolist() == [1.5, -2.0]


def test_key_chooses_one_of_several() -> None:
    both: dict[str, Any] = {"mean": LATENT, "std": LATENT + 1}
    np.testing.assert_array_equal(loaded(npz(**both), key="std"), both["std"])
    nested = {"model": {"mean": torch.from_numpy(LATENT), "steps": [torch.tensor([7])]}, "n": 3}
    np.testing.assert_array_equal(loaded(pt(nested), key="model.mean"), LATENT)
    assert loaded(pt(nested), key="model.steps.0").tolist() == [7]
    assert loaded(pt(nested), key="n") == 3
    for data, key, message in [
        (npz(**both), None, "holds 2 arrays, 'mean', 'std'; say which one: key="),
        (npz(**both), "sdt", "holds no array 'sdt'. Did you mean 'std'"),
        (npy(LATENT), "std", "one array without a name"),
        (pt(nested), None, "holds 2 values, 'model', 'n'; say which one"),
        (pt(nested), "model.steps.4", "holds nothing at key 'model.steps.4'"),
        (pt("text"), None, "holds str and no array"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            loaded(data, key=key)


def test_arrays_of_one_shape_lie_in_the_memory_of_the_batch() -> None:
    buffers = rooms(2)
    samples = [
        apply(LoadArray("latent", dtype="float16"), {"latent": npy(LATENT + idx)}, context(buffers=buffers, idx=idx))
        for idx in range(2)
    ]
    batch = collate(samples, buffers)
    assert batch["latent"] is buffers.arrays["latent"]
    np.testing.assert_array_equal(batch["latent"], np.stack([LATENT, LATENT + 1]).astype(np.float16))


class Trap:
    def __reduce__(self) -> Any:
        return (print, ("code of the file ran",))


@pytest.mark.parametrize(
    "data",
    [npy(np.array([Trap()], object), allow_pickle=True), npz(a=np.array([Trap()], object)), pt(Trap()),
     pt(Trap(), _use_new_zipfile_serialization=False), pickle.dumps(Trap())],
    ids=["npy", "npz", "pt", "pt-legacy", "pickle"],
)  # fmt: skip
def test_code_in_a_file_is_not_run(data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidInput, match="could run code"):
        loaded(data)
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
@pytest.mark.parametrize("data", [npy(LATENT), npz(a=LATENT), pt(torch.from_numpy(LATENT)), gzip.compress(npy(LATENT))])
def test_truncated_file_is_refused(data: bytes, share: float) -> None:
    with pytest.raises(InvalidInput, match=r"sample 'k', field 'latent': .*(truncated|damaged)"):
        loaded(data[: int(len(data) * share)])


def test_header_that_claims_much_takes_no_memory() -> None:
    data = npy(LATENT).replace(b"(4, 3, 2), }  ", b"(4, 10**9), } ").replace(b"10**9", b"10000")
    with pytest.raises(InvalidInput, match=r"truncated \.npy"):
        loaded(data)


@pytest.mark.parametrize("header", [b"{'descr': '<f4', (", b"{'descr': '<f9'}", b"((((", b"\xff\x00", b"{'shape': 3"])
def test_damaged_header_is_refused(header: bytes) -> None:
    data = b"\x93NUMPY\x01\x00" + len(header + b"\n").to_bytes(2, "little") + header + b"\n"
    with pytest.raises(InvalidInput, match="header is damaged"):
        loaded(data)


def test_content_over_the_limit_is_refused() -> None:
    zeros = np.zeros(200_000, np.uint8)
    for data in (gzip.compress(npy(zeros)), npz(is_compressed=True, a=zeros)):
        with pytest.raises(InvalidInput, match=r"unpacks to .*max_bytes"):
            loaded(data, max_bytes=100_000)
        assert loaded(data, max_bytes=300_000).shape == (200_000,)


def test_zip_of_something_else_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(InvalidInput, match="holds 0 arrays"):
        loaded(file.getvalue())


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG"])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"is no file of arrays, .*expected .npy, .npz or .pt"):
        loaded(data)


def test_arrays_of_text_are_refused() -> None:
    with pytest.raises(InvalidInput, match="expected numbers"):
        loaded(npy(np.array(["a", "bc"])))


def test_dtype_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InvalidInput, match="dtype is 'floaty'"):
        LoadArray("latent", dtype="floaty")
