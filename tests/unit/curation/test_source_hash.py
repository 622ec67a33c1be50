"""The hash follows what a function does through the project, and nothing else."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from headrace.curation.source_hash import SourceHash, SourceHasher
from headrace.errors import InvalidInput

PROJECT = {
    "ops.py": '''
"""Operators."""
import functools
import math
from typing import TYPE_CHECKING

import deep.constants as c
import deep.tables
from deep import reexported
from helpers import middle as m

if TYPE_CHECKING:
    from helpers import OnlyForTypes

SHIFT = 1


def logged(scale):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*arguments):
            return function(*arguments) * scale
        return wrapper
    return decorate


@logged(scale=2)
def op(image, *, power: int = c.POWER) -> float:
    """Measures."""
    from helpers import late
    import deep.lazy as lazy
    from deep import exported
    from deep.choices import choose
    kept = [late(choose(value)) + exported() for value in image if value]
    return m(kept) + c.LIMIT + math.sqrt(power) + reexported(SHIFT) + deep.tables.TABLE["a"] + lazy.value()


def other(image):
    return image
''',
    "helpers.py": """
from __future__ import annotations
from deep.inner import low
from deep.models import Model

MODEL = Model("weights.onnx")


class OnlyForTypes:
    pass


def middle(values: OnlyForTypes) -> float:
    # a helper one call deep
    return low(values) + MODEL.score(values)


def late(value):
    return value + 1


def unused():
    return 1
""",
    "deep/__init__.py": """
from .inner import low as reexported


def __getattr__(name):
    if name != "exported":
        raise AttributeError(name)
    from deep.late import exported
    return exported
""",
    "deep/inner.py": """
STEP = 3


def low(values):
    if len(values) > 100:
        return high(values[1:])
    return len(values) + STEP


def high(values):
    return low(values)
""",
    "deep/constants.py": """
LIMIT = 5
POWER = 2
UNUSED = 9
""",
    "deep/models.py": """
from abc import ABC


class Base(ABC):
    scale = 3

    def preprocess(self, values):
        return values


class Model(Base):
    def __init__(self, path):
        self.path = path
        self.session = None

    def score(self, values):
        return len(self.preprocess(values)) * self.scale
""",
    "deep/choices.py": """
import functools


@functools.singledispatch
def choose(value):
    return 9


@choose.register
def _(value: int):
    return 10
""",
    "deep/late.py": """
def exported():
    return 20
""",
    "deep/tables.py": """
TABLE = {"a": 1}
TABLE["b"] = 2
""",
    "deep/lazy.py": """
def value():
    return 4
""",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "first" / "project"
    write(folder, PROJECT)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "deep"]:
        del sys.modules[name]  # what a package exports lazily was imported
    importlib.invalidate_caches()


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def read_only(name: str = "op", module: str = "ops") -> SourceHash:
    """The hash as the files are now; nothing is imported."""
    importlib.invalidate_caches()
    return SourceHasher().of_name(module, name)


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, f"{old!r} is not in {file}"
    path.write_text(text.replace(old, new), encoding="utf-8")


CHANGES = [
    pytest.param("ops.py", "+ c.LIMIT", "- c.LIMIT", id="function itself"),
    pytest.param("helpers.py", "return low(values) +", "return 2 * low(values) +", id="helper one call deep"),
    pytest.param("deep/inner.py", "len(values) + STEP", "len(values) - STEP", id="helper two calls deep"),
    pytest.param("deep/inner.py", "return low(values)", "return low(values) + 1", id="recursion through another"),
    pytest.param("deep/inner.py", "STEP = 3", "STEP = 4", id="constant of a helper"),
    pytest.param("deep/inner.py", "STEP = 3", "STEP = 3.0", id="constant of another type"),
    pytest.param("deep/constants.py", "LIMIT = 5", "LIMIT = 6", id="constant through a module with another name"),
    pytest.param("deep/constants.py", "POWER = 2", "POWER = 3", id="default value"),
    pytest.param("deep/models.py", "scale = 3", "scale = 4", id="attribute of a base class"),
    pytest.param("deep/models.py", "return values", "return values[:1]", id="method of a base class"),
    pytest.param("deep/models.py", "* self.scale", "+ self.scale", id="method of a model holder"),
    pytest.param("helpers.py", "weights.onnx", "other.onnx", id="argument of a model holder"),
    pytest.param("helpers.py", "return value + 1", "return value + 2", id="import inside of the function"),
    pytest.param("deep/lazy.py", "return 4", "return 5", id="module imported inside of the function"),
    pytest.param("deep/tables.py", '"a": 1', '"a": 7', id="table by its dotted name"),
    pytest.param("deep/tables.py", 'TABLE["b"] = 2', 'TABLE["b"] = 3', id="statement that changes a table"),
    pytest.param("ops.py", "SHIFT = 1", "SHIFT = 2", id="constant of its module"),
    pytest.param("ops.py", "* scale", "+ scale", id="decorator"),
    pytest.param("ops.py", "scale=2", "scale=3", id="argument of a decorator"),
    pytest.param("ops.py", "power: int = c.POWER", "power: int = 7", id="default value written otherwise"),
    pytest.param("ops.py", "math.sqrt", "math.exp", id="function of the standard library"),
    pytest.param("deep/__init__.py", "low as", "high as", id="what a package exports again"),
    pytest.param("deep/choices.py", "return 10", "return 11", id="implementation that is registered"),
    pytest.param("deep/choices.py", "value: int", "value: str", id="annotation that a decorator reads"),
    pytest.param("deep/late.py", "return 20", "return 21", id="name that a package imports when asked"),
]

NO_CHANGES = [
    pytest.param("helpers.py", "# a helper one call deep", "# another comment", id="comment"),
    pytest.param("ops.py", '"""Measures."""', '"""Measures it all."""', id="docstring"),
    pytest.param("ops.py", '    """Measures."""\n', "", id="no docstring"),
    pytest.param("ops.py", '"""Operators."""', "", id="docstring of the module"),
    pytest.param("deep/inner.py", "len(values) + STEP", "(\n        len( values )\n        + STEP\n    )", id="layout"),
    pytest.param("deep/constants.py", "LIMIT = 5", "LIMIT = 0x5", id="number written otherwise"),
    pytest.param("deep/constants.py", "LIMIT = 5", "LIMIT: int = 5", id="annotation of a constant"),
    pytest.param("helpers.py", '"weights.onnx"', "'weights' '.onnx'", id="text written otherwise"),
    pytest.param(
        "helpers.py", "def middle(values: OnlyForTypes) -> float", "def middle(values) -> int", id="annotation"
    ),
    pytest.param(
        "helpers.py", "class OnlyForTypes:\n    pass", "class OnlyForTypes:\n    x = 1", id="type for checkers"
    ),
    pytest.param("helpers.py", "return 1\n", "return 2\n", id="function that is not reached"),
    pytest.param("ops.py", "    return image\n", "    return image + 1\n", id="other function of the module"),
    pytest.param("deep/constants.py", "UNUSED = 9", "UNUSED = 10", id="constant that is not reached"),
    pytest.param("deep/constants.py", "UNUSED = 9", "UNUSED = 9\n\ndef new():\n    return 1\n", id="new function"),
]


@pytest.mark.parametrize(("file", "old", "new"), CHANGES)
def test_edit_of_what_is_reached_changes_the_hash(project: Path, file: str, old: str, new: str) -> None:
    before = read_only().digest
    edit(project, file, old, new)
    assert read_only().digest != before


@pytest.mark.parametrize(("file", "old", "new"), NO_CHANGES)
def test_edit_without_effect_keeps_the_hash(project: Path, file: str, old: str, new: str) -> None:
    before = read_only().digest
    edit(project, file, old, new)
    assert read_only().digest == before


def test_hash_tells_what_it_covers(project: Path) -> None:
    found = read_only()
    assert {"ops:op", "ops:logged", "ops:SHIFT", "helpers:middle", "helpers:MODEL", "deep.inner:low"} <= set(
        found.definitions
    )
    assert not {"helpers:unused", "ops:other", "helpers:OnlyForTypes"} & set(found.definitions)


# ----------------------------------------------------------------------------------------------- fresh interpreters

PROBE = """
import json, sys
sys.path.insert(0, sys.argv[1])
import {module}
from headrace.curation.source_hash import SourceHasher
print(json.dumps({{name: SourceHasher().of(eval(name)).digest for name in {names!r}}}))
"""


def in_fresh_interpreter(folder: Path, *names: str, module: str = "ops", seed: int = 0) -> dict[str, str]:
    run = subprocess.run(
        [sys.executable, "-c", PROBE.format(module=module, names=names), str(folder)],
        capture_output=True, text=True, timeout=60, check=False, cwd="/",
        env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found: dict[str, str] = json.loads(run.stdout)
    return found


def test_hash_is_that_of_any_process_and_folder(project: Path, tmp_path: Path) -> None:
    digest = read_only().digest
    assert in_fresh_interpreter(project, "ops.op", seed=1) == {"ops.op": digest}
    moved = tmp_path / "elsewhere" / "deeper"
    shutil.copytree(project, moved)
    assert in_fresh_interpreter(moved, "ops.op", seed=4711) == {"ops.op": digest}


def test_hash_of_moved_helper_stays(project: Path) -> None:
    """Where a definition stands is no part of what it does."""
    before = read_only().digest
    text = (project / "helpers.py").read_text(encoding="utf-8")
    (project / "package").mkdir()
    (project / "package" / "__init__.py").write_text("", encoding="utf-8")
    (project / "package" / "assistance.py").write_text(text, encoding="utf-8")
    (project / "helpers.py").unlink()
    edit(project, "ops.py", "from helpers import", "from package.assistance import")
    assert read_only().digest == before


RUNTIME = {
    "runtime.py": """
import functools
import helper

LIMIT = 3


def base(image, *, limit=1, scale=LIMIT):
    return helper.low(image) + limit


def make(limit, function=helper.low):
    offset = limit * 2

    def inner(image, extra=limit):
        return function(image) + offset

    return inner


class Judge:
    def __init__(self, limit):
        self.limit = limit

    def judge(self, image):
        return helper.low(image) > self.limit

    def __call__(self, image):
        return self.judge(image)

    @classmethod
    def fixed(cls, image):
        return cls(3).judge(image)

    @staticmethod
    def plain(image):
        return helper.low(image)


def memo(function):
    known = {}

    @functools.wraps(function)
    def wrapper(image):
        if image not in known:
            known[image] = function(image)
        return known[image]

    return wrapper


@memo
def remembered(image):
    return helper.low(image)


@functools.lru_cache(maxsize=3)
def cached(image):
    return helper.low(image)


partial = functools.partial(base, limit=5)
other_partial = functools.partial(base, limit=6)
three, four = make(3), make(4)
again = make(3)
with_other = make(3, helper.high)
judge_3, judge_4 = Judge(3), Judge(4)
first = lambda image: helper.low(image) + 1
second, third = (lambda image: helper.low(image) + 1), (lambda image: helper.low(image) + 2)
renamed = functools.wraps(base)(make(9))
""",
    "helper.py": """
def low(image):
    return len(image)


def high(image):
    return 2 * len(image)
""",
}
OBJECTS = [
    "runtime.partial", "runtime.other_partial", "runtime.three", "runtime.four", "runtime.again", "runtime.with_other",
    "runtime.judge_3", "runtime.judge_4", "runtime.judge_3.judge", "runtime.Judge.fixed", "runtime.Judge.plain",
    "runtime.Judge", "runtime.remembered", "runtime.cached", "runtime.first", "runtime.second", "runtime.third",
    "runtime.base", "runtime.renamed",
]  # fmt: skip


def test_objects_made_at_run_time_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, RUNTIME)
    found = in_fresh_interpreter(tmp_path, *OBJECTS, module="runtime", seed=1)
    assert found == in_fresh_interpreter(tmp_path, *OBJECTS, module="runtime", seed=2)
    assert found["runtime.three"] == found["runtime.again"]
    assert found["runtime.partial"] != found["runtime.other_partial"]
    assert len({found[f"runtime.{name}"] for name in ("three", "four", "with_other", "renamed", "base")}) == 5
    assert found["runtime.judge_3"] != found["runtime.judge_4"]
    assert found["runtime.second"] != found["runtime.third"]

    edit(tmp_path, "helper.py", "return len(image)", "return len(image) + 1")
    after = in_fresh_interpreter(tmp_path, *OBJECTS, module="runtime")
    assert [name for name in OBJECTS if after[name] == found[name]] == ["runtime.with_other"]

    edit(tmp_path, "helper.py", "def low", "# a comment\ndef low")
    edit(tmp_path, "runtime.py", "import functools\n", '"""Doc."""\n\nimport functools  # aliased nowhere\n\n\n')
    assert in_fresh_interpreter(tmp_path, *OBJECTS, module="runtime") == after


def test_state_that_a_call_leaves_behind_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, RUNTIME)
    calls = [
        "runtime.remembered",
        "runtime.cached",
        "[runtime.remembered, runtime.remembered('a'), runtime.cached('b')][0]",
    ]
    found = in_fresh_interpreter(tmp_path, *calls, "runtime.remembered", module="runtime")
    assert found[calls[0]] == found[calls[2]]


def test_function_of_a_script_has_the_hash_of_its_module(tmp_path: Path) -> None:
    text = """
from headrace.curation.source_hash import source_hash
LIMIT = 3
def low(image):
    return len(image) + LIMIT
def op(image):
    return low(image)
"""
    write(tmp_path, {"script.py": f"{text}\nif __name__ == '__main__':\n    print(source_hash(op))\n"})
    script = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, check=True)
    found = in_fresh_interpreter(tmp_path, "script.op", module="script")
    assert script.stdout.strip() == found["script.op"]


NOTEBOOK = """
import linecache, sys
from headrace.curation.source_hash import SourceHasher

def run_cell(number, text):
    name = f"<ipython-input-{number}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), globals())

sys.path.insert(0, sys.argv[1])
del globals()["__file__"]
sys.modules["__main__"].__spec__ = None
for number, text in enumerate(CELLS):
    run_cell(number, text)
print(SourceHasher().of(op).digest)
"""


def _notebook(folder: Path, *cells: str) -> subprocess.CompletedProcess[str]:
    path = folder / "kernel.py"
    path.write_text(f"CELLS = {list(cells)!r}\n{NOTEBOOK}", encoding="utf-8")
    return subprocess.run([sys.executable, str(path), str(folder)], capture_output=True, text=True, check=False)


def test_cells_of_a_notebook_are_followed(tmp_path: Path) -> None:
    write(tmp_path, {"helper.py": RUNTIME["helper.py"]})
    cells = (
        "import helper\nLIMIT = 3\n",
        "class Judge:\n    def judge(self, image):\n        return helper.low(image) > LIMIT\n",
        "def op(image):\n    return Judge().judge(image)\n",
    )
    first = _notebook(tmp_path, *cells)
    assert first.returncode == 0, first.stderr
    assert _notebook(tmp_path, *cells, "unused = 1").stdout == first.stdout
    assert _notebook(tmp_path, cells[0].replace("3", "4"), *cells[1:]).stdout != first.stdout
    assert _notebook(tmp_path, cells[0], cells[1].replace(">", "<"), cells[2]).stdout != first.stdout
    assert _notebook(tmp_path, cells[0], f"# comment\n\n{cells[1]}", cells[2]).stdout == first.stdout
    edit(tmp_path, "helper.py", "return len(image)", "return len(image) + 1")
    assert _notebook(tmp_path, *cells).stdout != first.stdout


# -------------------------------------------------------------------------------------------- libraries and versions


def test_library_counts_by_name_and_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        tmp_path,
        {
            "lib/measures.py": "def low(x):\n    return x\n",
            "lib/measures-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: measures\nVersion: 1.0\n",
            "lib/measures-1.0.dist-info/RECORD": "measures.py,,\n",
            "src/uses_library.py": "from measures import low\n\ndef op(image):\n    return low(image)\n",
        },
    )
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    before = read_only(module="uses_library")
    assert before.libraries == ("measures==1.0",)
    edit(tmp_path, "lib/measures.py", "return x", "return x + 1")
    assert read_only(module="uses_library").digest == before.digest
    edit(tmp_path, "lib/measures-1.0.dist-info/METADATA", "Version: 1.0", "Version: 1.1")
    after = read_only(module="uses_library")
    assert after.libraries == ("measures==1.1",)
    assert after.digest != before.digest


def test_operators_of_an_installed_package_are_followed_by_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package of the function itself is the project, wherever it lies."""
    site = tmp_path / "site-packages"
    write(
        site, {"shipped/__init__.py": "", "shipped/ops.py": "from .low import low\n\ndef op(x):\n    return low(x)\n"}
    )
    write(site, {"shipped/low.py": "def low(x):\n    return x\n"})
    monkeypatch.syspath_prepend(str(site))
    before = read_only(module="shipped.ops").digest
    edit(site, "shipped/low.py", "return x", "return x + 1")
    assert read_only(module="shipped.ops").digest != before


def test_declaration_of_an_operator_is_no_part_of_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, version and outputs are hashed with the plan; the decorator itself is Headrace's."""
    body = "def op(image):\n    return Drop('x') if image else 1\n"
    decorated = "from headrace.curation import Drop, operator\n\n@operator(name='a.b', version={})\n" + body
    write(tmp_path, {"one.py": decorated.format(1), "two.py": decorated.format(2)})
    write(tmp_path, {"three.py": f"from headrace.curation.operator import Drop\n\n{body}"})
    monkeypatch.syspath_prepend(str(tmp_path))
    digests = {read_only(module=name).digest for name in ("one", "two", "three")}
    assert len(digests) == 1
    assert read_only(module="one").libraries == ()


# ----------------------------------------------------------------------------------------- what cannot be told apart

CONSERVATIVE = {
    "module handed on": ("import table\ndef op(x):\n    return getattr(table, x)()\n", True),
    "module as a value": ("import table\nCHOICES = [table]\ndef op(x):\n    return CHOICES[0].first()\n", True),
    "star": ("from table import *\ndef op(x):\n    return first()\n", False),
    "import by written name": (
        "import importlib\ndef op(x):\n    return importlib.import_module('table').first()\n",
        True,
    ),
}


@pytest.mark.parametrize(("text", "takes_all"), CONSERVATIVE.values(), ids=CONSERVATIVE)
def test_module_used_as_a_value_counts_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, takes_all: bool
) -> None:
    write(tmp_path, {"chooses.py": text, "table.py": "def first():\n    return 1\n\ndef second():\n    return 2\n"})
    monkeypatch.syspath_prepend(str(tmp_path))
    before = read_only(module="chooses").digest
    edit(tmp_path, "table.py", "return 2", "return 3")
    assert (read_only(module="chooses").digest != before) is takes_all
    edit(tmp_path, "table.py", "return 1", "return 4")
    assert read_only(module="chooses").digest != before


def test_table_that_decorators_fill_takes_its_module_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
RULES = {}

def rule(function):
    RULES[function.__name__] = function
    return function

@rule
def short(x):
    return len(x) < 3

def op(x):
    return all(check(x) for check in RULES.values())
"""
    write(tmp_path, {"rules.py": text})
    monkeypatch.syspath_prepend(str(tmp_path))
    before = read_only(module="rules").digest
    edit(tmp_path, "rules.py", "< 3", "< 4")
    assert read_only(module="rules").digest != before


REFUSED = {
    "exec": ("def op(x):\n    exec('y = x')\n", "exec() runs code that is made from text", 2, 5),
    "eval": ("def op(x):\n    return [eval(x)]\n", "eval() runs code that is made from text", 2, 13),
    "import by computed name": (
        "import importlib\ndef op(x):\n    return importlib.import_module(f'a.{x}')\n",
        "importlib.import_module() imports a module whose name is not written here",
        3,
        12,
    ),
    "alias": (
        "from importlib import import_module as load\ndef op(x):\n    return load(x)\n",
        "load() imports a module whose name is not written here",
        3,
        12,
    ),
    "script": ("import runpy\ndef op(x):\n    runpy.run_path(x)\n", "runpy.run_path() runs code", 3, 5),
}


@pytest.mark.parametrize(("text", "message", "line", "column"), REFUSED.values(), ids=REFUSED)
def test_code_that_cannot_be_followed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str, line: int, column: int
) -> None:
    write(tmp_path, {"unseen.py": text})
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InvalidInput) as caught:
        read_only(module="unseen")
    assert message in caught.value.message
    assert (caught.value.file, caught.value.line, caught.value.column) == (str(tmp_path / "unseen.py"), line, column)


def test_method_called_eval_is_no_text_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import re\nPATTERN = re.compile('a')\ndef op(model):\n    return model.eval()\n"
    write(tmp_path, {"evaluates.py": text})
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(read_only(module="evaluates").digest) == 64


def test_closure_over_something_without_content_is_refused() -> None:
    stream = open(os.devnull)  # noqa: SIM115 - closed below
    try:
        with pytest.raises(InvalidInput, match=r"name 'stream': a _io\.TextIOWrapper"):
            SourceHasher().of(lambda image: stream.read())
    finally:
        stream.close()


def test_function_typed_at_a_prompt_is_refused() -> None:
    namespace: dict[str, Callable[..., object]] = {}
    exec("def op(image):\n    return 1\n", namespace)
    with pytest.raises(InvalidInput, match="has no source text"):
        SourceHasher().of(namespace["op"])


def test_builtin_and_library_functions_have_a_hash() -> None:
    assert SourceHasher().of(len).digest != SourceHasher().of(sorted).digest
    import numpy as np

    found = SourceHasher().of(np.linalg.norm)
    assert [library.partition("==")[0] for library in found.libraries] == ["numpy"]


# ------------------------------------------------------------------------------------------------- Python's versions

VERSIONS = """
import json, sys
sys.path[:0] = sys.argv[1:]
from headrace.curation.source.tracing import Tracer
print(json.dumps(Tracer().trace_name("ops", "op").document, sort_keys=True))
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_form_is_the_same_in_every_python(project: Path, version: str) -> None:
    """The tracing needs nothing but Python, so an interpreter without our packages will do."""
    python = _interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    source = Path(__file__).parents[3] / "src"
    documents = [
        subprocess.run(
            [program, "-c", VERSIONS, str(project), str(source)], capture_output=True, text=True, check=True, cwd="/"
        ).stdout
        for program in (sys.executable, python)
    ]
    assert documents[0] == documents[1]


def _interpreter(version: str) -> str | None:
    """One that starts: pyenv's shims are there also where the version is not chosen."""
    places = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for place in places:
        if place is not None:
            run = subprocess.run(
                [place, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, check=False
            )
            if run.stdout.strip().decode() == str(tuple(map(int, version.split(".")))):
                return place
    return None


def test_format_of_the_hash_is_fixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of this digest makes every cache of every lake worthless: raise the format number and say so."""
    text = """
import math

STEPS = (1, 2.5, "a", b"b", None, True, ...)


class Holder:
    limit: int = 3

    def of(self, values):
        match values:
            case [first, *rest]:
                return f"{first!r:>{self.limit}} and {len(rest)=}"
            case {"a": x, **more}:
                return x
        return None


async def op(image, *, power=2, **rest):
    total = sum(x**power for x in image if (y := x) and y not in STEPS)
    try:
        with open("f") as a, open("g") as b:
            return math.sqrt(total) + Holder().of([*a, *b])
    except* (ValueError, KeyError) as error:
        raise RuntimeError from error
    finally:
        del total
"""
    write(tmp_path, {"fixed.py": text})
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read_only(module="fixed").digest == "7039d90380276d4fac9b87bf72cdd85cf95a73bc803076c079848dbe70a5602c"
