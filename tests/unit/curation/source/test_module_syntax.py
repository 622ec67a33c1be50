"""What a module's top-level names are made of."""

from __future__ import annotations

import ast

import pytest

from headrace.curation.source.imports import ImportTarget
from headrace.curation.source.module_syntax import ModuleSyntax, parse_module


def parsed(text: str, *, name: str = "p.m", is_package: bool = False) -> ModuleSyntax:
    return parse_module(text, name=name, file="m.py", is_package=is_package)


def test_imports_are_absolute() -> None:
    module = parsed(
        "from . import a\nfrom .b import c as d\nfrom ..e import f\nimport g.h\nimport g.h as i", name="p.q.m"
    )
    found = {name: binding.imports for name, binding in module.bindings.items()}
    assert found == {
        "a": [ImportTarget("p.q", "a")],
        "d": [ImportTarget("p.q.b", "c")],
        "f": [ImportTarget("p.e", "f")],
        "g": [ImportTarget("g")],
        "i": [ImportTarget("g.h")],
    }


def test_relative_imports_of_a_package_start_at_itself() -> None:
    module = parsed("from .b import c", name="p.q", is_package=True)
    assert module.bindings["c"].imports == [ImportTarget("p.q.b", "c")]


def test_both_branches_of_a_guarded_import_count() -> None:
    module = parsed("try:\n    import fast as low\nexcept ImportError:\n    import slow as low")
    assert module.bindings["low"].imports == [ImportTarget("fast"), ImportTarget("slow")]


def test_imports_for_type_checkers_do_not_count() -> None:
    assert parsed("if TYPE_CHECKING:\n    from a import b").bindings == {}


@pytest.mark.parametrize(
    "text",
    ["X = {1: 2}\nX[3] = 4", "X = {1: 2}\nX.update(a=1)", "X = {1: 2}\nX.y.z = 4", "X = {1: 2}\ndel X[1]",
     "X = 1\nX += 2",
     "X = {1: 2}\nfor y in range(3):\n    X[y] = y", "X = f()\n@X.register\ndef g(): pass"],
)  # fmt: skip
def test_statements_that_change_a_name_belong_to_it(text: str) -> None:
    assert len(parsed(text).bindings["X"].statements) == 2


@pytest.mark.parametrize(
    ("value", "is_filled_elsewhere"),
    [("{}", True), ("[]", True), ("set()", True), ("collections.defaultdict(list)", True), ("dict()", True),
     ("{1: 2}", False), ("()", False), ("dict(a=1)", False), ("list(x)", False), ("None", False)],
)  # fmt: skip
def test_empty_containers_are_filled_elsewhere(value: str, is_filled_elsewhere: bool) -> None:
    assert parsed(f"X = {value}").bindings["X"].is_filled_elsewhere is is_filled_elsewhere


def test_compound_statement_is_one_piece() -> None:
    module = parsed("if a:\n    X = 1\nelse:\n    X = 2")
    assert [type(statement) for statement in module.bindings["X"].statements] == [ast.If]


def test_stars_are_listed() -> None:
    assert parsed("from .a import *\nfrom b import *").stars == ("p.a", "b")
