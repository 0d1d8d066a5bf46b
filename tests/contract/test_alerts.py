"""What Prometheus is given: rules that are tested, metrics that are there, an entry in the handbook for each alert."""

import json
import re
import subprocess
from pathlib import Path

import yaml
from prometheus_client import generate_latest

from shared.telemetry import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
HANDBOOK = DEPLOY.parent / "docs" / "operations.md"
ALL_RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
RULES = [rule for rule in ALL_RULES if "alert" in rule]
PANELS = json.loads((DEPLOY / "grafana/dashboard.json").read_text())["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
_NAME = re.compile(r"\bonesheet_[a-z_]+")


def promtool(*arguments: str, given: str = "", cwd: Path = DEPLOY / "prometheus") -> str:
    done = subprocess.run(
        ["promtool", *arguments], cwd=cwd, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_each_alert_fires_where_it_should_and_not_where_nothing_is_wrong() -> None:
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yaml")
    tested = (DEPLOY / "prometheus/rules_test.yaml").read_text()
    assert [rule["alert"] for rule in RULES if rule["alert"] not in tested] == []


def test_prometheus_takes_its_configuration() -> None:
    promtool("check", "config", "prometheus.yaml")


def test_every_expression_of_the_dashboard_can_be_evaluated(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(EXPRESSIONS)]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "panels.yaml", cwd=tmp_path)
    assert len({panel["id"] for panel in PANELS}) == len(PANELS) > 20


def test_what_is_alerted_on_and_drawn_is_measured() -> None:
    measured = set(Metrics().registry._names_to_collectors)
    asked_for = {
        name for expr in (*EXPRESSIONS, *(rule["expr"] for rule in ALL_RULES)) for name in _NAME.findall(expr)
    }
    assert asked_for - measured == set()


def test_the_metrics_are_named_as_prometheus_wants_them() -> None:
    metrics = Metrics()
    metrics.queue_connected.set(1)
    metrics.jobs.labels("FetchPicture", "stored").inc()
    promtool("check", "metrics", given=generate_latest(metrics.registry).decode())


def test_each_alert_has_an_entry_in_the_handbook() -> None:
    """What it means, what to look at, what to do."""
    for rule in RULES:
        entry = HANDBOOK.read_text().partition(f"\n### {rule['alert']}\n")[2].partition("\n### ")[0]
        lacking = [part for part in ("**Means:**", "**Look:**", "**Do:**") if part not in entry]
        assert (rule["alert"], lacking) == (rule["alert"], [])
        assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
