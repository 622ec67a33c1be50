"""Every way to reach a helper is followed, and neighbours that are not reached do not count."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from headrace.curation.source_hash import SourceHasher

FILES = {
    "kit/__init__.py": "",
    "kit/low.py": "def low(x):\n    return x + 1\n\n\ndef beside(x):\n    return x + 2\n",
    "kit/again.py": "from kit.low import low as lower\n",
    "kit/stars.py": "from kit.low import *\n",
    "kit/sub/__init__.py": "from ..again import lower\n",
    "kit/sub/deep.py": "from ..low import low\n",
}

WAYS = {
    "import from": "from kit.low import low\ndef op(x): return low(x)",
    "alias": "from kit.low import low as z\ndef op(x): return z(x)",
    "dotted import": "import kit.low\ndef op(x): return kit.low.low(x)",
    "dotted alias": "import kit.low as k\ndef op(x): return k.low(x)",
    "submodule of a package": "from kit import low\ndef op(x): return low.low(x)",
    "package only": "import kit\ndef op(x): return kit.low.low(x)",
    "exported again": "from kit.again import lower\ndef op(x): return lower(x)",
    "exported by a package": "from kit.sub import lower\ndef op(x): return lower(x)",
    "relative": "from kit.sub.deep import low\ndef op(x): return low(x)",
    "star": "from kit.low import *\ndef op(x): return low(x)",
    "star of a star": "from kit.stars import *\ndef op(x): return low(x)",
    "inside of the function": "def op(x):\n    from kit.low import low\n    return low(x)",
    "module inside of the function": "def op(x):\n    import kit.low as k\n    return k.low(x)",
    "inside of an inner function": (
        "def op(x):\n    def inner():\n"
        "        from kit import low as k\n        return k.low(x)\n    return inner()"
    ),
    "guarded": (
        "try:\n    from nowhere import low\n"
        "except ImportError:\n    from kit.low import low\ndef op(x): return low(x)"
    ),
    "conditional": (
        "import sys\nif sys.platform:\n    from kit.low import low\n"
        "else:\n    low = None\ndef op(x): return low(x)"
    ),
    "other name": "from kit.low import low\nf = g = low\ndef op(x): return g(x)",
    "unpacked": "from kit.low import low\nf, (g, *h) = 1, (2, low)\ndef op(x): return h[0](x)",
    "in a table": "from kit.low import low\nTABLE = {'a': low}\ndef op(x): return TABLE['a'](x)",
    "put into a table": "from kit.low import low\nTABLE = {'a': 1}\nTABLE['b'] = low\ndef op(x): return TABLE['b'](x)",
    "partial": "import functools\nfrom kit.low import low\npart = functools.partial(low)\ndef op(x): return part(x)",
    "lambda": "from kit.low import low\nrun = lambda x: low(x)\ndef op(x): return run(x)",
    "default": "from kit.low import low\ndef op(x, f=low): return f(x)",
    "default of a keyword": "from kit.low import low\ndef op(x, *, f=low): return f(x)",
    "comprehension": "from kit.low import low\ndef op(x): return [low(y) for y in x]",
    "f-string": "from kit.low import low\ndef op(x): return f'{low(x)!r:>3}'",
    "decorator": "from kit.low import low\n@low\ndef op(x): return x",
    "argument of a decorator": "import functools\nfrom kit.low import low\n@functools.wraps(low)\ndef op(x): return x",
    "base class": "from kit import low as k\nclass A(k.low(object)): pass\ndef op(x): return A()",
    "attribute of a class": "from kit.low import low\nclass A:\n    f = staticmethod(low)\ndef op(x): return A.f(x)",
    "method": "from kit.low import low\nclass A:\n    def f(self, x): return low(x)\ndef op(x): return A().f(x)",
    "property": (
        "from kit.low import low\nclass A:\n"
        "    @property\n    def f(self): return low(1)\ndef op(x): return A().f"
    ),
    "set on a class": "from kit.low import low\nclass A: pass\nA.f = low\ndef op(x): return A().f(x)",
    "holder": (
        "from kit.low import low\nclass A:\n"
        "    def __init__(self, f): self.f = f\nA1 = A(low)\ndef op(x): return A1.f(x)"
    ),
    "global": (
        "from kit.low import low\nHELD = None\ndef load():\n    global HELD\n"
        "    HELD = low\ndef op(x):\n    load()\n    return HELD(x)"
    ),
    "walrus": "from kit.low import low\nif (f := low): pass\ndef op(x): return f(x)",
    "with": (
        "from kit.low import low\nfrom contextlib import nullcontext\n"
        "with nullcontext(low) as f: pass\ndef op(x): return f(x)"
    ),
    "loop": "from kit.low import low\nfor f in [low]: pass\ndef op(x): return f(x)",
    "match": "from kit.low import low\ndef op(x):\n    match x:\n        case 1: return low(x)",
    "async": "from kit.low import low\nasync def op(x):\n    async for y in low(x): yield y",
    "nested twice": (
        "from kit.low import low\ndef op(x):\n"
        "    def a():\n        return lambda: low(x)\n    return a()()"
    ),
    "through a local name": "from kit.low import low\ndef op(x):\n    f = low\n    return f(x)",
    "type of an error": "from kit.low import low\ndef op(x):\n    try: pass\n    except low(x): pass",
    "written out import_module": (
        "from importlib import import_module\n"
        "def op(x): return import_module('kit.low').low(x)"
    ),
}  # fmt: skip
WHOLE = {"written out import_module"}


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def digest() -> str:
    importlib.invalidate_caches()
    return SourceHasher().of_name("way", "op").digest


@pytest.mark.parametrize("way", WAYS)
def test_helper_is_followed_and_its_neighbour_is_not(kit: Path, way: str) -> None:
    (kit / "way.py").write_text(f"{WAYS[way]}\n", encoding="utf-8")
    before = digest()
    low = kit / "kit" / "low.py"
    low.write_text(FILES["kit/low.py"].replace("x + 2", "x + 3"), encoding="utf-8")
    assert (digest() == before) is (way not in WHOLE)
    low.write_text(FILES["kit/low.py"].replace("x + 1", "x + 5"), encoding="utf-8")
    assert digest() != before
    low.write_text(f"# comment\n{FILES['kit/low.py']}", encoding="utf-8")
    assert digest() == before


HIDDEN = {
    "parameter": "from kit.low import low\ndef op(low): return low(1)",
    "local name": "from kit.low import low\ndef op(x):\n    low = len\n    return low(x)",
    "comprehension": "from kit.low import low\ndef op(x): return [low for low in x]",
    "attribute": "from kit.low import low\ndef op(x): return x.low(1)",
    "text": "from kit.low import low\ndef op(x): return 'low(x)'",
    "annotation": "from kit.low import low\ndef op(x: low) -> low: return x",
    "type checkers": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from kit.low import low\ndef op(x): return x"
    ),
    "other function": "from kit.low import low\ndef other(x): return low(x)\ndef op(x): return x",
    "script": "from kit.low import low\ndef op(x): return x\nif __name__ == '__main__':\n    low(1)",
}  # fmt: skip


@pytest.mark.parametrize("way", HIDDEN)
def test_name_that_means_something_else_is_not_followed(kit: Path, way: str) -> None:
    (kit / "way.py").write_text(f"{HIDDEN[way]}\n", encoding="utf-8")
    before = digest()
    (kit / "kit" / "low.py").write_text(FILES["kit/low.py"].replace("x + 1", "x + 5"), encoding="utf-8")
    assert digest() == before
