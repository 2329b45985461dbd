"""Alert rules and dashboard: every name and label in them exists, and every metric of ours is in the docs.

The names of Temporal's SDK are compared with a real run in ``tests/e2e/test_telemetry.py``.
"""

import re
from pathlib import Path

import pytest

from config.metrics import METRICS, Kind
from tests.observability_files import (
    FOLDER,
    alert_expressions,
    alert_rules,
    dashboard_expressions,
    labels_used,
    panels,
    read_yaml,
)
from tests.unit.test_compose import COMPOSE, SERVICES

OURS = {series: set(metric.labels) for metric in METRICS for series in metric.series}
EXPRESSIONS = [*alert_expressions(), *dashboard_expressions()]
PROMETHEUS_ADDS = {"le"}


def test_the_reader_finds_names_and_labels_everywhere():
    found = labels_used(
        'sum by (a) (rate(one{b="1"}[5m])) > 0 unless on (c) max(two{d=~"x"}) == 0 or absent(three) or (-four)'
    )
    assert found["one"] >= {"a", "b", "c"}
    assert found["two"] >= {"c", "d"}
    assert set(found) == {"one", "two", "three", "four"}


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_every_name_and_label_of_ours_exists(where: str, expression: str):
    found = labels_used(expression)
    assert found, f"{where} asks for nothing"
    for name, labels in found.items():
        if name.startswith("temporal_"):
            continue
        assert name in OURS, f"{where}: no metric is called {name}"
        assert labels - PROMETHEUS_ADDS <= OURS[name], f"{where}: {name} has only {OURS[name]}"


@pytest.mark.parametrize("rule", alert_rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_what_and_what_to_do(rule):
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["action"]
    assert re.fullmatch(r"(\d+[smhd])+", rule.get("for", "1m"))
    by = set().union(*labels_used(rule["expr"]).values())
    told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert told <= by, "a label that the expression drops is empty in the message"


def test_alerts_are_named_once():
    names = [rule["alert"] for rule in alert_rules()]
    assert len(names) == len(set(names))


def test_the_gauges_of_the_store_are_never_added_up_over_processes():
    """Several web processes send them with equal values; the outermost step may add what ``max`` made one of."""
    shared = {
        m.prometheus for m in METRICS if m.kind is Kind.GAUGE and m.name != "orderwright.feed.last_poll"
    }
    for where, expression in EXPRESSIONS:
        for name in set(labels_used(expression)) & shared:
            bare = re.search(rf"(?<!max)(?<!absent)( by \([^)]*\) )?\(\s*{name}\b", expression)
            assert re.search(rf"(max( by \([^)]*\))? ?\({name}|absent\({name})", expression), where
            assert bare is None or "max" in expression[: bare.end()], where


def test_the_dashboard_uses_every_panel_and_fits_its_grid():
    spots = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels()]
    assert len(spots) == len(set(spots))
    assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in panels())
    assert all(target["datasource"]["uid"] == "prometheus" for p in panels() for target in p["targets"])


def test_collector_prometheus_and_grafana_are_wired_to_each_other():
    files = {name: Path(c["file"]) for name, c in COMPOSE["configs"].items() if "file" in c}
    assert {file.name for file in files.values()} == {file.name for file in FOLDER.iterdir()}
    mounted = {entry["target"] for name in ("prometheus", "grafana") for entry in SERVICES[name]["configs"]}
    assert set(read_yaml("prometheus.yml")["rule_files"]) <= mounted
    folder = read_yaml("grafana-dashboards.yml")["providers"][0]["options"]["path"]
    assert any(target.startswith(f"{folder}/") for target in mounted)
    pipelines = read_yaml("collector.yml")["service"]["pipelines"]
    exporters = read_yaml("collector.yml")["exporters"]
    hosts = {re.sub(r"^https?://([^:/]+).*", r"\1", e["endpoint"]) for e in exporters.values()}
    assert hosts <= set(SERVICES)
    assert {e for pipeline in pipelines.values() for e in pipeline["exporters"]} == set(exporters)
    assert "--web.enable-otlp-receiver" in SERVICES["prometheus"]["command"]
