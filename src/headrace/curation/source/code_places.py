"""Finding the text of a function or class that no module-level name leads to: inner functions, lambdas, notebooks."""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from headrace.curation.source.module_syntax import ModuleSyntax
from headrace.errors import InvalidInput

__all__ = ["CodePlace", "find_class", "find_code"]

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


@dataclass(frozen=True, slots=True)
class CodePlace:
    """`syntax` is the module around, None for a cell of a notebook, whose names live in its namespace only."""

    node: _Definition
    name: str
    file: str
    syntax: ModuleSyntax | None


def find_code(code: types.CodeType, *, syntax: ModuleSyntax | None) -> CodePlace:
    """The definition that the code was compiled from.

    Raises:
        InvalidInput: There is no text, or several lambdas of one line cannot be told apart.
    """
    tree = _tree(code, syntax=syntax)
    wanted = [node for node in _definitions(tree) if _first_line(node) == code.co_firstlineno and _is_of(node, code)]
    if len(wanted) > 1:
        wanted = [node for node in wanted if _spans(node, code)]
    if len(wanted) != 1:
        problem = "is not in its file" if not wanted else "shares its line with others; put it on a line of its own"
        raise InvalidInput(
            f"{code.co_qualname} {problem}; was the file edited after it was imported?",
            file=code.co_filename,
            line=code.co_firstlineno,
        )
    return CodePlace(wanted[0], code.co_qualname, code.co_filename, syntax)


def find_class(value: type, functions: list[types.FunctionType], *, syntax: ModuleSyntax | None) -> CodePlace:
    """The definition of a class inside a function or a notebook, found through its methods.

    Raises:
        InvalidInput: It has no methods with a text.
    """
    for function in functions:
        try:
            tree = _tree(function.__code__, syntax=syntax)
        except InvalidInput:
            continue  # made by a decorator, as __init__ of dataclasses is
        line = function.__code__.co_firstlineno
        around = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            and node.name == value.__name__
            and node.lineno <= line <= (node.end_lineno or node.lineno)
        ]
        if around:
            return CodePlace(around[-1], value.__qualname__, function.__code__.co_filename, syntax)
    raise InvalidInput(
        f"the source of class {value.__qualname__} cannot be found; define it in a file, at the top level"
    )


def _tree(code: types.CodeType, *, syntax: ModuleSyntax | None) -> ast.Module:
    if syntax is not None and not code.co_filename.startswith("<"):
        return syntax.tree
    text = "".join(linecache.getlines(code.co_filename))
    if not text:
        raise InvalidInput(
            f"{code.co_qualname} has no source text (it was typed at a prompt or made by exec), so its changes could "
            "not be seen; write it in a file or a notebook",
            file=code.co_filename,
        )
    try:
        return ast.parse(text)
    except SyntaxError as error:
        # Cells with %magic lines were rewritten before they ran.
        raise InvalidInput(f"not plain Python: {error.msg}", file=code.co_filename, line=error.lineno) from error


def _definitions(tree: ast.Module) -> Iterator[_Definition]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node


def _first_line(node: _Definition) -> int:
    """As code objects count it: from the first decorator."""
    decorators: Iterable[ast.expr] = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _is_of(node: _Definition, code: types.CodeType) -> bool:
    return ("<lambda>" if isinstance(node, ast.Lambda) else node.name) == code.co_name


def _spans(node: _Definition, code: types.CodeType) -> bool:
    """Whether all instructions come from inside the lambda's body and its arguments are the same."""
    if not isinstance(node, ast.Lambda):
        return False
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    if list(code.co_varnames[: code.co_argcount]) != names:
        return False
    body = node.body
    start, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    places = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()
        if line is not None and end_line is not None and column is not None and end_column is not None
    ]
    places = [place for place in places if place[0] < place[1]]  # what sets the frame up has no width
    inside = [place for place in places if start <= place[0] and place[1] <= end]
    outermost = [place for place in places if place == (start, end)]
    return bool(places) and len(inside) == len(places) and bool(outermost)
