"""Lineage as a graph: what went into each stage of a run, from the source to the last version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sca_hf.reporting.runs import Run, Step
from sca_hf.wording import counted

WIDTH = 860
_TOP, _ROW, _NODE = 12, 92, 64
_LEFT, _RIGHT, _LEFT_WIDTH, _RIGHT_WIDTH = 1, 458, 330, 400


@dataclass(frozen=True)
class Node:
    """A box: an ingredient on the left (`kind` "source", "model", "prompts", "sandbox"), a version on the right."""

    kind: str
    title: str
    lines: Sequence[str]
    x: int
    y: int
    width: int
    height: int = _NODE


@dataclass(frozen=True)
class Graph:
    """Boxes and the curves between them, as paths of SVG."""

    nodes: Sequence[Node]
    edges: Sequence[tuple[str, str]]
    height: int
    width: int = WIDTH


def graph(run: Run) -> Graph:
    """The graph of a run, from top to bottom."""
    versions = [_version(step, number) for number, step in enumerate(run.steps)]
    uses: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
    for number, step in enumerate(run.steps):
        for ingredient in _ingredients(step, first=number == 0):
            uses.setdefault(ingredient, []).append(number)
    places = _spread([sum(numbers) / len(numbers) for numbers in uses.values()], len(versions))
    nodes, edges = [], []
    for (kind, title, lines), place in zip(uses, places, strict=True):
        node = Node(kind, title, lines, _LEFT, round(_TOP + place * _ROW), _LEFT_WIDTH)
        nodes.append(node)
        edges += [(kind, _across(node, versions[number])) for number in uses[kind, title, lines]]
    at = {step.version.fingerprint: number for number, step in enumerate(run.steps)}
    for number, step in enumerate(run.steps):
        for parent in step.lineage.parents:
            if parent.fingerprint in at:
                edges.append(("version", _down(versions[at[parent.fingerprint]], versions[number])))
    bottom = max(node.y + node.height for node in [*nodes, *versions])
    return Graph([*nodes, *versions], edges, bottom + _TOP)


def _version(step: Step, number: int) -> Node:
    counts = step.counts
    kept = f"{counts['kept']:,} of " if counts["rejected"] else ""
    rows = f"{kept}{counted(counts['judged'], 'row')}"
    lines = (f"{step.version.dataset}/{step.version.fingerprint}", rows)
    return Node("version", step.stage, lines, _RIGHT, _TOP + number * _ROW, _RIGHT_WIDTH)


def _ingredients(step: Step, first: bool) -> list[tuple[str, str, tuple[str, ...]]]:
    lineage = step.lineage
    intent, recipe = lineage.intent or {}, lineage.recipe
    found: list[tuple[str, str, tuple[str, ...]]] = []
    source = lineage.input or recipe.get(step.stage, {}).get("source")
    if source:
        lines = (_shortened(str(source)), f"content {_short(intent.get('input'))}") if first else (str(source),)
        found.append(("source", "source", lines))
    if model := lineage.model:
        build = _shortened(f"{_short(model.revision)}, {model.build}")
        found.append(("model", "model", (_shortened(model.model), build)))
    if intent.get("prompts"):
        lines = (_shortened(str(recipe.get("prompts", "-"))), f"drawn with seed {recipe.get('seed', '-')}")
        found.append(("prompts", "exemplars", lines))
    if intent.get("sandbox"):
        sandbox: Mapping[str, Any] = intent["sandbox"]
        found.append(("sandbox", "sandbox", (", ".join(f"{name} {value}" for name, value in sandbox.items()),)))
    return found


def _spread(wanted: Sequence[float], rows: int) -> list[float]:
    """Places near the wanted ones, each at least a row from the next, none beyond the last row if there is room."""
    order = sorted(range(len(wanted)), key=lambda number: wanted[number])
    places = list(wanted)
    least = 0.0
    for number in order:
        places[number] = least = max(wanted[number], least)
        least += 1.0
    most = max(rows, len(wanted)) - 1.0
    for number in reversed(order):
        places[number] = most = min(places[number], most)
        most -= 1.0
    return places


def _across(source: Node, target: Node) -> str:
    x, y, to_x, to_y = source.x + source.width, source.y + source.height / 2, target.x, target.y + target.height / 2
    middle = (x + to_x) / 2
    return f"M{x} {y:g}C{middle:g} {y:g} {middle:g} {to_y:g} {to_x} {to_y:g}"


def _down(parent: Node, child: Node) -> str:
    x = parent.x + parent.width / 2
    return f"M{x:g} {parent.y + parent.height}L{x:g} {child.y - 5}m-4 -6l4 6l4 -6"


def _short(sha: object) -> str:
    text = str(sha)
    return text if len(text) <= 24 else f"{text[:16]}…"


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
