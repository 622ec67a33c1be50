"""Operators by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.curation import find_operator, operator, operator_names, register_operator, registry
from headrace.errors import AlreadyExists, InvalidInput


@operator(name="test.words", outputs={"words": pa.int64()})
def words(text: str) -> int:
    """Words."""
    return len(text.split())


@operator(name="image.blur", outputs={"blur": pa.int64()})
def false_blur(text: str) -> int:
    """Not blur."""
    return 0


@pytest.fixture(autouse=True)
def _no_registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test registers is state of the process, which no public function takes back."""
    monkeypatch.setattr(registry, "_registered", {})


def _with_entry_point(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, value: str) -> None:
    """As an installed package has it: importlib finds its metadata on the path."""
    metadata = folder / "operators_of_a_test-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: operators-of-a-test\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{registry.ENTRY_POINT_GROUP}]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(str(folder))


@pytest.mark.parametrize("name", sorted(registry.BUILT_IN))
def test_built_in_operator_is_found_under_its_own_name(name: str) -> None:
    spec = find_operator(name).spec
    assert spec.name == name
    assert spec.docs.endswith(".")
    assert all(setting.doc for setting in spec.settings.values()), "each setting says what it means"
    assert spec.library is not None


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"there is no operator 'image\.blurr'\. Did you mean 'image\.blur'\?"):
        find_operator("image.blurr")


def test_registered_operator_is_found_and_may_be_registered_again() -> None:
    assert register_operator(words) is words
    register_operator(words)
    assert find_operator("test.words") is words
    assert "test.words" in operator_names()


def test_taken_name_is_refused() -> None:
    with pytest.raises(AlreadyExists, match=r"operator image\.blur is taken by headrace\.curation\.operators"):
        register_operator(false_blur)


def test_plain_function_is_refused() -> None:
    with pytest.raises(InvalidInput, match="decorate the function with @operator"):
        register_operator(len)  # type: ignore[arg-type]  # that is what is tested


def test_operator_of_a_package_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _with_entry_point(monkeypatch, tmp_path, "test.words", f"{__name__}:words")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    assert find_operator("test.words") is words
    assert "test.words" in operator_names()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("test.words", "no.such.module:x", "cannot be loaded from no.such.module:x"),
        ("test.words", "builtins:len", "no function decorated with @operator"),
        ("test.others", f"{__name__}:words", "calls itself 'test.words'"),
    ],
)
def test_broken_entry_point_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, message: str
) -> None:
    _with_entry_point(monkeypatch, tmp_path, name, value)
    with pytest.raises(InvalidInput, match=message):
        find_operator(name)


def test_built_in_name_cannot_be_taken_by_a_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _with_entry_point(monkeypatch, tmp_path, "image.blur", f"{__name__}:false_blur")
    assert find_operator("image.blur") is not false_blur


def test_importing_curation_is_light() -> None:
    """Recipes are validated on machines that decode nothing, and `headrace --help` starts fast."""
    heavy = ["numpy", "pyarrow", "duckdb", "cv2", "PIL", "simplejpeg", "pydantic", "torch", "py3langid", "tokenizers"]
    program = f"import sys, headrace.curation; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
