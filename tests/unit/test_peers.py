"""The processes that share a queue tell how they are set up: what is unlike is told once, and again when it is not."""

from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from shared.contracts import ServiceStats
from shared.queue import Peers, alike
from shared.queue.peers import HEARD_LASTS_S
from shared.telemetry import Metrics


@dataclass
class World:
    now_s: float = 100.0

    def __post_init__(self) -> None:
        self.metrics = Metrics()
        self.peers = Peers(self.metrics, clock=lambda: self.now_s)

    def says(self, service: str, instance: str, **setup: str) -> None:
        stats = ServiceStats(service=service, instance=instance, during_s=5, lanes={}, setup=setup)
        self.peers.hear(stats)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.mark.parametrize("setting", ["VOLUME_URL", "SIGNING_KEYS"])
def test_a_process_with_another_volume_or_other_keys_is_told_once_and_by_name(setting: str) -> None:
    world = World()
    with capture_logs() as lines:
        for _ in range(5):
            world.says("proxy", "host/one", **{setting: "aa"})
            world.says("proxy", "host/two", **{setting: "bb"})
            world.says("fetcher", "host/three")
            world.now_s += 2
    (line,) = lines
    assert (line["event"], line["what"], line["log_level"]) == ("services_unlike", setting, "warning")
    assert line["processes"] == [["proxy host/one"], ["proxy host/two"]]
    assert world.peers.troubles() == {setting: "It is not the same in all services."}
    assert world.value("onesheet_settings_unlike", setting=setting) == 1
    with capture_logs() as lines:
        world.says("proxy", "host/two", **{setting: "aa"})
    assert [line["event"] for line in lines] == ["services_alike_again"]
    assert world.peers.troubles() == {}
    assert world.value("onesheet_settings_unlike", setting=setting) == 0


def test_a_second_enricher_is_told_until_it_is_gone() -> None:
    world = World()
    with capture_logs() as lines:
        world.says("enricher", "host/one")
        world.says("enricher", "host/two")
    assert [(line["event"], line["what"]) for line in lines] == [("services_unlike", "enricher")]
    assert world.value("onesheet_processes", service="enricher") == 2
    world.now_s += HEARD_LASTS_S + 1
    world.says("enricher", "host/one")
    assert world.peers.troubles() == {}
    assert world.value("onesheet_processes", service="enricher") == 1


def test_several_enrichers_are_none_too_many_where_they_share_a_database() -> None:
    world = World()
    for instance in ("host/one", "host/two", "host/three"):
        world.says("enricher", instance, DATABASE_URL="aa")
    assert world.peers.troubles() == {}
    assert world.value("onesheet_settings_unlike", setting="enricher") == 0
    world.says("enricher", "host/four")
    assert "enricher" in world.peers.troubles()
    assert world.value("onesheet_settings_unlike", setting="enricher") == 1
    world.now_s += HEARD_LASTS_S + 1
    world.says("enricher", "host/one", DATABASE_URL="aa")
    world.says("enricher", "host/two", DATABASE_URL="bb")
    assert world.peers.troubles() == {"DATABASE_URL": "It is not the same in all services."}


def test_a_service_that_is_gone_altogether_is_counted_as_none() -> None:
    world = World()
    world.says("fetcher", "host/one")
    world.now_s += HEARD_LASTS_S + 1
    world.says("proxy", "host/two")
    assert world.value("onesheet_processes", service="fetcher") == 0


def test_what_is_told_of_keys_does_not_give_them_away() -> None:
    def told(*keys: str) -> str:
        return alike(volume="0f1e2d3c", allowed_hosts=("a.example",), signing_keys=keys)["SIGNING_KEYS"]

    assert told("a key") == told("a key") != told("another")
    assert len(told("a key")) == 8


def test_who_has_nothing_to_do_with_keys_tells_nothing_of_them() -> None:
    assert alike(volume="0f1e2d3c", allowed_hosts=()).keys() == {"VOLUME_URL", "ALLOWED_HOSTS"}


def test_keys_of_uploads_have_to_be_the_same_where_they_are_used() -> None:
    own = alike(volume="0f1e2d3c", allowed_hosts=(), signing_keys=(), upload_signing_keys=("one",))
    other = alike(volume="0f1e2d3c", allowed_hosts=(), signing_keys=(), upload_signing_keys=("two",))
    assert {name for name in own if own[name] != other[name]} == {"UPLOAD_SIGNING_KEYS"}
