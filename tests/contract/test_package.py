"""What is delivered to install from: linted by the tools that read it, and held to what the code really has."""

import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyOptions
from typer.testing import CliRunner

from services.command import broker
from services.command.main import app
from services.enricher import __main__ as enricher
from services.fetcher import __main__ as fetcher
from services.proxy import __main__ as proxy
from shared.contracts import Envelope, PurgePicture
from shared.http import STORED_READY
from shared.pictures import PictureId
from shared.queue import Lane
from shared.queue.rabbitmq.engine import open_rabbitmq
from shared.volume import VolumeSettings
from tests.servers.rabbitmq import Broker
from tests.unit.test_settings import fields

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = DEPLOY / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
BIN = Path(sys.executable).parent
PORTS = {"proxy": proxy.PORT, "enricher": enricher.PORT, "fetcher": fetcher.PORT}
PACKED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
LIBRARIES = re.compile(r"OTEL_[A-Z_]+|SENTRY_[A-Z_]+")
"""Settings that a library reads."""


@cache
def settings() -> frozenset[str]:
    return frozenset(str(field.validation_alias) for _, field in fields())


def nginx_settings() -> set[str]:
    render = (DEPLOY / "nginx/render").read_text()
    return set(render.partition("SETTINGS='")[2].partition("'")[0].split())


def compose(file: str = "compose.yaml") -> dict[str, Any]:
    """As it is with the least that has to be set."""
    text = re.sub(
        r"\$\{[A-Z0-9_]+(?::([-?])([^}]*))?\}",
        lambda found: found[2] if found[1] == "-" else "secret",
        (DEPLOY / file).read_text(),
    )
    options = PyOptions(apply_merge=True)
    parsed = options.from_yaml(text)
    parsed.validate()
    found: dict[str, Any] = parsed.to_dict()
    return found


def test_the_image_s_recipe_has_nothing_for_its_linter_to_say() -> None:
    done = subprocess.run(
        [str(BIN / "hadolint"), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_image_runs_as_nobody_in_particular_and_says_whether_it_is_alive() -> None:
    recipe = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^USER \d+:\d+$", recipe, re.MULTILINE)
    assert "'/healthz'" in recipe.partition("HEALTHCHECK")[2]
    exposed = recipe.partition("EXPOSE ")[2].splitlines()[0].split()
    assert {*map(str, PORTS.values())} < set(exposed)
    named = re.findall(
        r"^(?:ENV)? +([A-Z_]+)=", recipe.partition("USER")[0].rpartition("ENV PATH")[2], re.MULTILINE
    )
    assert {name for name in named if not name.startswith("PYTHON")} <= settings()


def test_compose_sets_only_what_is_a_setting_and_each_service_its_own_port() -> None:
    services = compose()["services"]
    for name, service in services.items():
        if not str(service.get("image", "")).startswith("onesheet"):
            continue
        environment = service["environment"]
        assert set(environment) <= settings(), name
        if name in PORTS:
            assert environment["PORT"] == str(PORTS[name])
            assert (service["command"], service["read_only"]) == (["serve", name], True)
    assert set(services["nginx"]["environment"]) <= nginx_settings()
    assert services["nginx"]["environment"]["PROXIES"] == f"proxy:{proxy.PORT}"
    assert services["nginx"]["environment"]["ENRICHER"] == f"enricher:{enricher.PORT}"
    assert services["enricher"]["deploy"]["replicas"] == 1


def test_compose_asks_for_health_where_it_is_told_and_mounts_what_is_there() -> None:
    services = compose()["services"]
    assert services["nginx"]["healthcheck"]["test"][-1].endswith(STORED_READY)
    for service in services.values():
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0] if isinstance(mount, str) else mount["source"]
            assert not source.startswith(".") or (DEPLOY / source).exists(), source
    assert "pictures:/data:ro" in map(str, services["proxy"]["volumes"])


def test_compose_with_a_store_sets_for_each_service_what_it_needs_of_it() -> None:
    services, others = compose("compose.s3.yaml")["services"], compose()["services"]
    for name in PORTS:
        environment = services[name]["environment"]
        assert set(environment) <= settings()
        store = VolumeSettings.model_validate(environment).objects
        assert store
        assert (store.endpoint, store.create_buckets) == ("http://minio:9000", True)
        assert (store.access_key_id, store.secret_access_key) == ("minioadmin", "minioadmin")
        assert "inside" in (services[name].get("networks") or others[name]["networks"])
    assert set(services["nginx"]["environment"]) <= nginx_settings()
    assert services["minio"]["profiles"] == ["minio"]
    assert [port.rpartition(":")[2] for port in services["minio"]["ports"]] == ["9000", "9001"]


def test_the_database_of_its_profile_is_the_one_that_compose_tells_to_set() -> None:
    told = re.search(
        r"DATABASE_URL=postgresql://(\w+):<POSTGRES_PASSWORD>@(\w+)/(\w+)",
        (DEPLOY / "compose.yaml").read_text(),
    )
    assert told
    database = compose()["services"][told[2]]
    environment = database["environment"]
    assert (environment["POSTGRES_USER"], environment["POSTGRES_DB"]) == (told[1], told[3])
    assert "DATABASE_URL" in settings()
    assert "postgresql" in (DEPLOY / "Dockerfile").read_text()  # the extra that speaks to it
    assert database["profiles"] == ["postgresql"]


def test_the_redis_of_its_profile_is_the_one_that_compose_tells_to_set_and_keeps_nothing_on_a_disk() -> None:
    told = re.search(r"(\w+)=redis://(\w+):6379", (DEPLOY / "compose.yaml").read_text())
    assert told
    redis = compose()["services"][told[2]]
    assert told[1] in settings()
    assert redis["profiles"] == ["redis"]
    assert redis["read_only"]
    assert "volumes" not in redis
    assert [
        redis["command"][place + 1] for place, word in enumerate(redis["command"]) if word == "--save"
    ] == [""]


def test_prometheus_looks_where_the_services_listen() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text())
    looked_at = {
        (names, target["port"])
        for job in config["scrape_configs"]
        for target in job["dns_sd_configs"]
        for names in target["names"]
    }
    assert looked_at == set(PORTS.items())


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    """An unknown key is a warning with success: nothing at all may be said."""
    for file in UNITS.iterdir():
        text = file.read_text().replace("/opt/onesheet/deploy", str(DEPLOY))
        (tmp_path / file.name).write_text(text.replace("/opt/onesheet/bin", str(BIN)))
    named = [f"./{file.name.replace('@.', '@8081.')}" for file in sorted(UNITS.iterdir())]
    done = subprocess.run(
        ["systemd-analyze", "verify", *named], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_each_unit_is_hardened(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_units_set_only_what_is_a_setting_and_start_what_there_is(unit: Path) -> None:
    text = unit.read_text()
    named = {
        pair.partition("=")[0]
        for line in re.findall(r"^Environment=(.*)", text, re.MULTILINE)
        for pair in line.split()
    }
    assert named <= settings() | nginx_settings()
    started = re.findall(r"^ExecStart=/opt/onesheet/bin/onesheet serve ?(\w*)", text, re.MULTILINE)
    assert {*started} <= {"", *PORTS}
    if "nginx" in unit.name:
        assert "RuntimeDirectory=onesheet-nginx" in text
    elif unit.name != "onesheet.service":
        assert "rabbitmq-server.service" in text.partition("After=")[2].splitlines()[0]


def test_what_the_image_installs_is_all_that_the_program_needs() -> None:
    """The wheel has Python and the files of the pages: another one would stay behind, and only examples may."""
    listed = subprocess.run(
        ["git", "ls-files", "services", "shared"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    others = [path for path in listed.stdout.splitlines() if not path.endswith((".py", ".json"))]
    packed = [
        f"{package.replace('.', '/')}/{pattern}"
        for package, patterns in PACKED.items()
        for pattern in patterns
    ]
    left = [path for path in others if not any(fnmatch(path, pattern) for pattern in packed)]
    assert [path for path in left if "/examples/" not in path] == []
    kept = (ROOT / ".dockerignore").read_text().split()
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert {f"!{name}" for names in copied for name in names.split()} <= set(kept)


QUEUE_URL = "amqp://onesheet:p%40ss@broker:5672/one%2Fsheet"


def test_the_broker_s_definitions_come_from_the_settings(tmp_path: Path) -> None:
    environment = {"QUEUE_URL": QUEUE_URL, "QUEUE_MANAGEMENT_URL": "http://watcher:secret@broker:15672"}
    file = tmp_path / "definitions.json"
    result = CliRunner().invoke(app, ["broker-definitions", "--output", str(file)], env=environment)
    assert result.exit_code == 0, result.output
    made = json.loads(file.read_text())
    assert [(user["name"], user["tags"]) for user in made["users"]] == [
        ("onesheet", []),
        ("watcher", ["monitoring"]),
    ]
    assert made["vhosts"] == [{"name": "one/sheet"}]
    assert "p@ss" not in file.read_text()
    refused = CliRunner().invoke(app, ["broker-definitions"], env={"QUEUE_URL": "sqlite:"})
    assert (refused.exit_code, "amqp://user:password@host" in refused.stderr) == (2, True)


async def test_a_broker_imports_the_definitions_and_the_services_need_no_more_rights(
    rabbitmq: Broker,
) -> None:
    vhost = "defined"
    url = f"amqp://narrow:p%40ss@127.0.0.1:{rabbitmq.amqp_port}/{vhost}"
    rabbitmq.manage("POST", "/api/definitions", broker.definitions(url))
    heard: list[Envelope] = []

    async def hear(envelope: Envelope) -> None:
        heard.append(envelope)

    job = Envelope.of(PurgePicture(picture=PictureId("0" * 32)), trace_id="trace")
    async with open_rabbitmq(url, lane_limit=100) as queue, queue.listen(hear):
        for lane in Lane:
            await queue.publish(job, lane)
        await queue.announce(job)
        await queue.ping()
    (policy,) = rabbitmq.manage("GET", f"/api/policies/{vhost}")
    assert all(re.fullmatch(policy["pattern"], lane.value) for lane in Lane)
