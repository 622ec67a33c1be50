"""`foreach` is written out before anything else is looked at."""

from __future__ import annotations

from textwrap import dedent

from headrace.curation.recipe_file.foreach import expand_stages
from headrace.curation.recipe_file.nodes import ListNode, node_of
from headrace.curation.recipe_file.problems import Problems
from headrace.curation.recipe_file.yaml_reading import read_yaml


def expanded(text: str, **values: object) -> list[tuple[object, int | None]]:
    node = read_yaml(dedent(text), file="f")
    assert isinstance(node, ListNode)
    problems = Problems()
    stages, is_partial = expand_stages(
        node, {name: node_of(value) for name, value in values.items()}, problems=problems
    )
    problems.raise_any()
    assert not is_partial
    return [(stage.node.plain["name"], stage.before) for stage in stages]  # type: ignore[index,call-overload]  # mappings


def test_stages_are_repeated_value_by_value() -> None:
    text = """
    - name: first
    - foreach: {source: [a, b]}
      stages: [{name: "x_${source}"}, {name: "y_${source}"}]
    """
    assert expanded(text) == [("first", -1), ("x_a", 0), ("y_a", 1), ("x_b", 0), ("y_b", 3)]


def test_values_may_be_a_parameter() -> None:
    text = "- foreach: {n: ${sizes}}\n  stages: [{name: 'x${n}'}]\n"
    assert expanded(text, sizes=[1, 2]) == [("x1", -1), ("x2", -1)]


def test_foreach_inside_of_a_foreach() -> None:
    text = """
    - foreach: {a: [1, 2]}
      stages:
        - foreach: {b: [3, "${a}"]}
          stages: [{name: "x${a}${b}"}]
    """
    assert [name for name, _ in expanded(text)] == ["x13", "x11", "x23", "x22"]


def test_stage_after_one_value_reads_it() -> None:
    text = "- foreach: {a: [1]}\n  stages: [{name: 'x${a}'}]\n- name: last\n"
    assert expanded(text) == [("x1", -1), ("last", 0)]


def test_stage_after_several_values_reads_none() -> None:
    text = "- foreach: {a: [1, 2]}\n  stages: [{name: 'x${a}'}]\n- name: last\n"
    assert expanded(text)[-1] == ("last", None)
