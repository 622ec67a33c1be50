"""Names from outside, by the scopes of the language."""

from __future__ import annotations

import ast

import pytest

from headrace.curation.source.outside_names import outside_names

CASES = {
    "globals": ("def f(x): return x + a.b.c", {"a.b.c"}),
    "assigned later": ("def f():\n    print(x)\n    x = 1", {"print"}),
    "global statement": ("def f():\n    global x\n    x = y", {"x", "y"}),
    "nonlocal": ("def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = 2", set()),
    "default in the outer scope": ("def f(x=a, *, y=b): return x", {"a", "b"}),
    "decorator": ("@a.b(c)\ndef f(): pass", {"a.b", "c"}),
    "lambda": ("g = lambda x, y=a: x + y + b", {"g", "a", "b"}),
    "comprehension": ("def f(): return [x + a for x in b if x]", {"a", "b"}),
    "nested comprehension": ("def f(): return {k: v for k in a for v in k}", {"a"}),
    "name after a comprehension": ("def f():\n    [x for x in ()]\n    return x", {"x"}),
    "walrus": ("def f():\n    any((y := x) for x in a)\n    return y", {"any", "a"}),
    "class body": ("class A:\n    b = 1\n    def f(self): return b", {"b"}),
    "name in a class body": ("class A:\n    b = 1\n    c = b", set()),
    "base and keyword": ("class A(B, metaclass=C): pass", {"B", "C"}),
    "field of a class": ("class A:\n    x: B\n    y: C = d", {"B", "C", "d"}),
    "except": ("def f():\n    try: pass\n    except E as e: raise e", {"E"}),
    "with": ("def f():\n    with a() as (b, c): return b, c", {"a"}),
    "match": ("def f(x):\n    match x:\n        case A(y=b): return b\n        case [d, *e]: return d, e", {"A"}),
    "mapping pattern": ("def f(x):\n    match x:\n        case {1: b, **c}: return b, c", set()),
    "annotations": ("def f(x: A) -> B:\n    y: C = 1\n    return y", set()),
    "store to an attribute": ("def f():\n    a.b = 1", {"a.b"}),
    "call of a call": ("def f(): return a.b().c(d)", {"a.b", "d"}),
    "f-string": ("def f(): return f'{a:>{b}}'", {"a", "b"}),
    "delete": ("def f(x):\n    del x", set()),
    "for": ("def f():\n    for x, (y, z) in a: pass", {"a"}),
    "star": ("def f(*a, **b): return a, b", set()),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_names_from_outside(text: str, expected: set[str]) -> None:
    found = {".".join(use.chain) for use in outside_names(ast.parse(text).body, module="m")}
    assert found == expected


def test_import_in_a_function_says_what_the_name_is() -> None:
    text = "def f():\n    from ..b import c as d\n    import e.f as g, h.i\n    return d.x(g.y, h.i.z)"
    found = {
        ".".join(use.chain): (use.imported.module, use.imported.name)
        for use in outside_names(ast.parse(text).body, module="p.q.m")
        if use.imported is not None
    }
    assert found == {"d.x": ("p.b", "c"), "g.y": ("e.f", None), "h.i.z": ("h", None)}


def test_place_of_a_name_is_told() -> None:
    (use,) = outside_names(ast.parse("def f():\n    return eval('1')").body, module="m")
    assert (use.line, use.column, use.call is not None) == (2, 12, True)
