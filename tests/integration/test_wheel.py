"""The wheel in a clean environment that holds the base dependencies and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("wheel")  # one worker, so that the wheel is built once

ROOT = Path(__file__).parents[2]
NOT_NEEDED = (
    "grpc", "fastapi", "uvicorn", "starlette", "sqlalchemy", "torch", "torchvision", "ray", "sklearn", "scipy",
    "pandas", "polars", "av", "soundfile", "cv2", "lance", "webdataset", "moto", "boto3", "pytest", "hypothesis",
)  # fmt: skip

# Refuses the named packages and notes who asked for them, so that a silent `except ImportError` is seen too.
IMPORTS = """
import importlib, importlib.abc, json, pkgutil, sys

refused = set(sys.argv[2].split(","))
asked = []

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            frame = sys._getframe()
            while frame is not None:
                home = frame.f_globals.get("__name__", "")
                if home.partition(".")[0] == "headrace":
                    asked.append(f"{home} asks for {name}")
                    break
                frame = frame.f_back
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Refuse())
for name in sys.argv[1].split(","):
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        getattr(module, public)  # lazily imported names too
    if len(sys.argv) > 3:
        for below in pkgutil.walk_packages(module.__path__, prefix=name + "."):
            if not below.name.endswith("__main__"):
                importlib.import_module(below.name)
print(json.dumps({"asked": asked, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with the wheel installed."""

    wheel: Path
    python: Path
    site_packages: Path

    def run(self, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=folder or self.wheel.parent, env=clean, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def imports(self, *modules: str, refused: tuple[str, ...] = NOT_NEEDED, walk: bool = False) -> dict[str, list[str]]:
        done = self.run("-I", "-W", "error", "-c", IMPORTS, ",".join(modules), ",".join(refused), *["walk"] * walk)
        assert done.returncode == 0, done.stderr
        result: dict[str, list[str]] = json.loads(done.stdout)
        return result


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--skip-dependency-check", "--outdir", str(folder),
         str(ROOT))  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", str(python), "install", "-qq", "--disable-pip-version-check",
         "--no-index", "--no-deps", str(wheel))  # fmt: skip
    (site_packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    dependencies = folder / "base-dependencies"
    dependencies.mkdir()
    for name in _base_lock():
        _link_distribution(name, dependencies)
    (site_packages / "base-dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
    return Environment(wheel, python, site_packages)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _base_lock() -> list[str]:
    text = (ROOT / "requirements" / "base.txt").read_text(encoding="utf-8")
    return re.findall(r"^([a-z0-9-]+)==", text, flags=re.M)


def _link_distribution(name: str, folder: Path) -> None:
    """Make an installed distribution, and nothing beside it, importable from `folder`."""
    found = distribution(name)
    for top in {Path(str(file)).parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
        (folder / top).symlink_to(Path(str(found.locate_file(top))))


def test_wheel_holds_package_types_and_licence(environment: Environment) -> None:
    with zipfile.ZipFile(environment.wheel) as archive:
        names = archive.namelist()
        (metadata_name,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(metadata_name).decode("utf-8")
    assert "headrace/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"headrace"}
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    shipped = {name for name in names if name.startswith("headrace/") and name.endswith(".py")}
    source = ROOT / "src"
    assert shipped == {str(path.relative_to(source)) for path in source.rglob("*.py")}


@pytest.mark.parametrize("module", ["headrace", "headrace.datasets", "headrace.storage", "headrace.cli.main"])
def test_import_needs_base_dependencies_only(environment: Environment, module: str) -> None:
    assert environment.imports(module)["asked"] == []


def test_every_module_imports_without_extras(environment: Environment) -> None:
    """Optional packages are asked for where they are used, not where a module is imported.

    `headrace.testing` is left out: its suites are written for pytest.
    """
    floors = ["headrace.cli", "headrace.demo", "headrace.datasets", "headrace.storage", "headrace.schema"]
    assert environment.imports(*floors, walk=True)["asked"] == []


def test_lowest_floor_needs_nothing_but_python(environment: Environment) -> None:
    """`-S` leaves the base dependencies out: only the wheel's own files can be found."""
    program = (
        f"import sys; sys.path.insert(0, {str(environment.site_packages)!r}); "
        "import headrace.errors, headrace.units, headrace.progress, headrace.schema, headrace.schema.names, "
        "headrace.schema.references, headrace.schema.tags"
    )
    done = environment.run("-I", "-S", "-W", "error", "-c", program)
    assert done.returncode == 0, done.stderr


def test_importing_headrace_alone_stays_light(environment: Environment) -> None:
    loaded = environment.run("-I", "-c", "import headrace, sys; print(*sys.modules)").stdout.split()
    assert {"pyarrow", "duckdb", "numpy", "click", "rich", "PIL"} & set(loaded) == set()


def test_help_of_installed_script_is_light(environment: Environment) -> None:
    done = environment.run(str(environment.python.parent / "headrace"), "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: headrace" in done.stdout
    assert done.stderr == ""
    timed = environment.run("-X", "importtime", str(environment.python.parent / "headrace"), "--help")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in timed.stderr.splitlines()}
    assert {*NOT_NEEDED, "duckdb", "pyarrow", "numpy", "obstore", "pydantic", "PIL"} & imported == set()


def test_entry_points_load(environment: Environment) -> None:
    program = (
        "from importlib.metadata import entry_points\n"
        "for group in ('headrace.dataset_types', 'headrace.exports'):\n"
        "    for entry in entry_points(group=group):\n"
        "        entry.load()\n"
        "        print(group, entry.name)\n"
    )
    done = environment.run("-I", "-W", "error", "-c", program)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 9


def test_main_job_runs_on_base_dependencies(environment: Environment, tmp_path: Path) -> None:
    program = (
        "import headrace\n"
        "lake = headrace.connect('lake')\n"
        "ds = lake.create_dataset('intents', type='TEXT_INTENT', source='part.csv', tags={'category': 'aaa'})\n"
        "snap = ds.snapshot(tags={'category': 'aaa'})\n"
        "snap.materialise('view')\n"
        "print(snap.num_rows, lake.verify().ok)\n"
    )
    (tmp_path / "part.csv").write_text("text,labels\nhello there,greeting\nbye,farewell\n", encoding="utf-8")
    done = environment.run("-I", "-W", "error", "-c", program, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1:] == ["True"]


def test_missing_extra_is_named_with_the_line_that_installs_it(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "part.csv").write_text("text,labels\nhello there,greeting\n", encoding="utf-8")
    program = (
        "import headrace\n"
        "ds = headrace.connect('lake').create_dataset('intents', type='TEXT_INTENT', source='part.csv')\n"
        "ds.snapshot().to_pandas()\n"
    )
    done = environment.run("-I", "-c", program, folder=tmp_path)
    assert "MissingExtra" in done.stderr
    assert "pip install 'headrace[pandas]'" in done.stderr
