"""Which stage reads which, as a drawing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from headrace.curation.static_plan import StaticPlan

__all__ = ["GraphEdge", "GraphNode", "NodeMark", "StageGraph", "graph_of"]

_SHAPES = {"source": ('[("', '")]'), "output": ('(["', '"])'), "check": ('{{"', '"}}'), "command": ('[["', '"]]')}
_MAX_LABEL = 60
_STYLES = {  # of the classes of marks; readable on light and dark pages
    "known": "fill:#d5f0dc,stroke:#2f7d4b,color:#12301d",
    "partly": "fill:#fdf0c8,stroke:#a07a14,color:#3d2f06",
    "to-do": "fill:#fbdcd6,stroke:#b0452e,color:#431509",
}


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A source, stage or output. `kind` is "source", "output" or what kind of stage it is."""

    name: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """`target` reads `origin`; both are positions in `nodes`. `name` is what an SQL stage calls it."""

    origin: int
    target: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class NodeMark:
    """How a node stands: "known", "partly" or "to-do", which gives its colour, and one more line of text."""

    state: str
    text: str


@dataclass(frozen=True, slots=True)
class StageGraph:
    """Sources, then stages in an order in which they can run, then outputs."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]

    def mermaid(self, *, marks: Mapping[str, NodeMark] | None = None) -> str:
        """The graph as Mermaid text, which GitHub, notebooks and docs draw.

        Args:
            marks: By the names of stages.
        """
        marked = marks or {}
        lines = ["flowchart TD"]
        for idx, node in enumerate(self.nodes):
            opening, closing = _SHAPES.get(node.kind, ('["', '"]'))
            mark = None if node.kind in ("source", "output") else marked.get(node.name)
            said = "" if mark is None else f"<br/>{_quoted(mark.text)}"
            shown = "" if mark is None else f":::{_class(mark.state)}"
            lines.append(f"    n{idx}{opening}{_label(node)}{said}{closing}{shown}")
        for edge in self.edges:
            name = f'|"{_quoted(edge.name)}"|' if edge.name else ""
            lines.append(f"    n{edge.origin} -->{name} n{edge.target}")
        states = {mark.state for mark in marked.values()}
        lines += [f"    classDef {_class(state)} {style}" for state, style in _STYLES.items() if state in states]
        return "\n".join(lines) + "\n"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.mermaid())}</pre>"


def graph_of(plan: StaticPlan) -> StageGraph:
    """The graph of a plan."""
    nodes = [GraphNode(source.name, "source", str(source.reference)) for source in plan.sources]
    nodes += [GraphNode(stage.name, stage.kind, stage.summary) for stage in plan.stages]
    positions = {node.name: idx for idx, node in enumerate(nodes)}
    edges = [
        GraphEdge(positions[item.origin], positions[stage.name], item.name if len(stage.inputs) > 1 else "")
        for stage in plan.stages
        for item in stage.inputs
    ]
    for output in plan.outputs:
        edges.append(GraphEdge(positions[output.stage], len(nodes)))
        nodes.append(GraphNode(output.name, "output", f"commit to {output.dataset}"))
    return StageGraph(tuple(nodes), tuple(edges))


def _class(state: str) -> str:
    """A name that Mermaid takes."""
    return state.replace("-", "")


def _label(node: GraphNode) -> str:
    text = node.text if len(node.text) <= _MAX_LABEL else f"{node.text[: _MAX_LABEL - 1]}…"
    return f"{_quoted(node.name)}<br/>{_quoted(text)}" if text and text != node.name else _quoted(node.name)


def _quoted(text: str) -> str:
    """Mermaid reads HTML entities, written with # instead of &, inside of quotes."""
    for sign, name in (("#", "#35;"), ("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("`", "#96;")):
        text = text.replace(sign, name) if sign != "#" else text.replace("#", "\0")
    return text.replace("\0", "#35;")
