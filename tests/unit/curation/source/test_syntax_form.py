"""Pieces of Python that do the same have one form."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from headrace.curation.source.syntax_form import syntax_form


def form(text: str) -> list[str]:
    return syntax_form(list(ast.parse(text).body))


EQUAL = {
    "layout": ("x = f(1,2)", "x = f(\n    1,  # one\n    2,\n)"),
    "quotes": ("x = 'a'", 'x = u"a"'),
    "number": ("x = 1000", "x = 1_000"),
    "float": ("x = 1.0", "x = 1e0"),
    "docstring": ("def f():\n    return 1", "def f():\n    'doc'\n    return 1"),
    "only a docstring": ("def f():\n    ...", "def f():\n    'doc'"),
    "pass": ("class A:\n    pass", "class A:\n    'doc'"),
    "annotations": ("def f(a, *b): return a", "def f(a: int, *b: str) -> None: return a"),
    "annotated name": ("x = 1", "x: int = 1"),
    "declared local": ("def f():\n    return 1", "def f():\n    x: int\n    return 1"),
    "imports": ("def f(): return a()", "def f():\n    from b import a\n    return a()"),
    "checkers": ("x = 1", "if TYPE_CHECKING:\n    import a\nx = 1"),
    "typing.TYPE_CHECKING": ("x = 1", "if typing.TYPE_CHECKING:\n    y = 2\nx = 1"),
    "f-string in pieces": ("x = f'a{b}c'", "x = f'a' f'{b}' 'c'"),
    "f-string without values": ("x = f'{a}b'", "x = f'{a:}b'"),
    "parentheses": ("x = (a + b) + c", "x = a + b + c"),
}


@pytest.mark.parametrize(("first", "second"), EQUAL.values(), ids=EQUAL)
def test_pieces_that_do_the_same_have_one_form(first: str, second: str) -> None:
    assert form(first) == form(second)


DIFFERENT = {
    "types of constants": ("x = 1", "x = 1.0"),
    "true and one": ("x = True", "x = 1"),
    "text and bytes": ("x = 'a'", "x = b'a'"),
    "nesting": ("x = a - (b - c)", "x = (a - b) - c"),
    "order of arguments": ("f(a=1, b=2)", "f(b=2, a=1)"),
    "fields of a class": ("class A:\n    x: int = 1", "class A:\n    x: float = 1"),
    "declared fields": ("class A:\n    x: int\n    y: int", "class A:\n    y: int\n    x: int"),
    "else of a check": ("if TYPE_CHECKING:\n    pass\nelse:\n    x = 1", "x = 1"),
    "conversion": ("x = f'{a!r}'", "x = f'{a!s}'"),
    "text like a name": ("x = 'a'", "x = a"),
    "slices": ("x = a[1:]", "x = a[:1]"),
    "None in a list": ("x = {**a}", "x = {None: a}"),
    "decorator": ("@a\ndef f(): pass", "def f(): pass"),
    "annotation that a decorator reads": ("@a\ndef f(x: int): pass", "@a\ndef f(x: str): pass"),
    "async": ("async def f(): pass", "def f(): pass"),
}


@pytest.mark.parametrize(("first", "second"), DIFFERENT.values(), ids=DIFFERENT)
def test_pieces_that_do_something_else_differ(first: str, second: str) -> None:
    assert form(first) != form(second)


def test_decorator_that_is_left_out_does_not_count() -> None:
    tree = ast.parse("@a\n@b(1)\ndef f(x: int): pass")
    kept = syntax_form(list(tree.body), is_left_out=lambda node: isinstance(node, ast.Name))
    assert kept == form("@b(1)\ndef f(x: int): pass")


def test_deep_expressions_need_no_deep_stack() -> None:
    assert len(form("x = " + " + ".join(["a"] * 900))) > 900


FILES = sorted((Path(__file__).parents[4] / "src" / "headrace").rglob("*.py"))


def test_layout_and_comments_of_our_own_files_do_not_count() -> None:
    """`ast.unparse` writes everything anew, without comments."""
    assert len(FILES) > 100
    different = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if form(text) != form(ast.unparse(ast.parse(text))):
            different.append(path)
    assert different == []
