"""Reads ``config/observability``: the expressions of alert rules and dashboard, and what stands in them."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[1] / "config" / "observability"


def read_yaml(name: str) -> Any:
    return YAML(typ="safe", pure=True).load(FOLDER / name)


def alert_rules() -> list[dict[str, Any]]:
    return [rule for group in read_yaml("alerts.yml")["groups"] for rule in group["rules"]]


def alert_expressions() -> list[tuple[str, str]]:
    """(Where it stands, PromQL)."""
    return [(rule["alert"], rule["expr"]) for rule in alert_rules()]


def panels() -> list[dict[str, Any]]:
    found = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def dashboard_expressions() -> list[tuple[str, str]]:
    """(Where it stands, PromQL)."""
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


def _children(node: Any) -> Iterator[Any]:
    match node:
        case promql.AggregateExpr() | promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield node.expr
        case promql.BinaryExpr():
            yield from (node.lhs, node.rhs)
        case promql.Call():
            yield from node.args
        case promql.MatrixSelector():
            yield node.vector_selector


def labels_used(expression: str) -> dict[str, set[str]]:
    """Metric -> the labels that the expression asks of it, by selecting or by grouping."""
    found: defaultdict[str, set[str]] = defaultdict(set)

    def walk(node: Any, grouped: frozenset[str]) -> None:
        if isinstance(node, promql.VectorSelector):
            found[str(node.name)] |= grouped | {matcher.name for matcher in node.matchers.matchers}
        if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            grouped |= frozenset(node.modifier.labels)
        if isinstance(node, promql.BinaryExpr) and node.modifier is not None and node.modifier.matching:
            grouped |= frozenset(node.modifier.matching.labels)
        for child in _children(node):
            walk(child, grouped)

    walk(promql.parse(expression), frozenset())
    return dict(found)


def names_used(expression: str) -> set[str]:
    return set(labels_used(expression))
