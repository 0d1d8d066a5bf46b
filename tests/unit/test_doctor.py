"""`onesheet doctor`: each check says what is wrong where something is, and that nothing is where nothing is."""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.command import doctor
from services.command.doctor import Diagnosis, Health, Patient
from services.command.server import CommandFailed, Exit, Server, ServerReply
from shared.settings import ONESHEET_VERSION
from shared.volume import VolumeSettings
from shared.volume.local.layout import Layout

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ADDRESS, FETCHER, FRONT = "http://enricher", "http://fetcher", "http://front"


@dataclass
class Network:
    """What answers at each URL; what is not in it cannot be reached."""

    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    date: datetime = NOW

    def fetch(self, url: str, **_given: object) -> ServerReply:
        if url not in self.answers:
            raise CommandFailed(f"{url} cannot be reached.", Exit.UNREACHABLE)
        status, body = self.answers[url]
        headers = Message()
        headers["Date"] = format_datetime(self.date, usegmt=True)
        return ServerReply(status, headers, body.encode())

    def says(self, url: str, body: object, status: int = 200) -> None:
        self.answers[url] = (status, body if isinstance(body, str) else json.dumps(body))


@dataclass(frozen=True)
class SaidServer(Server):
    answer: Any = None

    def ask(self, *_asked: object, **_given: object) -> Any:
        return self.answer


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(doctor, "fetch", network.fetch)
    return network


@pytest.fixture
def place(tmp_path: Path) -> VolumeSettings:
    settings = VolumeSettings(volume_url=f"file:{tmp_path}/volume", state_directory=tmp_path / "state")
    Layout(settings.root).prepare()
    settings.state_dir.mkdir(mode=0o700)
    return settings


def patient(place: VolumeSettings, **given: Any) -> Patient:
    return Patient(place, given.pop("server", Server(ADDRESS)), now=lambda: NOW, **given)


def states(found: Iterable[Diagnosis]) -> list[tuple[str, Health]]:
    return [(one.check, one.state) for one in found]


def test_settings_that_make_no_sense_end_the_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.settings_make_sense().state is Health.GOOD
    monkeypatch.setenv("IMAGE_QUALITY", "excellent")
    (found,) = doctor.examine(lambda: Server(ADDRESS))
    assert (found.state, "IMAGE_QUALITY" in found.said) == (Health.BROKEN, True)


def test_a_full_disk_is_found(place: VolumeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISK_FREE_FLOOR_GB", "0")
    free = 2**40

    def usage(_directory: Path) -> SimpleNamespace:
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert [state for _, state in states(doctor.disk(place))] == [Health.GOOD, Health.GOOD]
    monkeypatch.setenv("DISK_FREE_FLOOR_GB", "1")
    free = 2**28
    assert states(doctor.disk(place)) == [
        ("disk", Health.BROKEN),
        ("disk of databases", Health.BROKEN),
    ]


def test_a_volume_that_is_not_mounted_is_found(place: VolumeSettings) -> None:
    assert doctor.mounts(place).state is Health.GOOD
    (place.state_dir / "enricher.sqlite").touch()
    assert doctor.mounts(place).state is Health.GOOD
    (place.root / "volume-id").unlink()
    unmounted = doctor.mounts(place)
    assert (unmounted.state, "mount it" in unmounted.remedy) == (Health.BROKEN, True)
    shutil.rmtree(place.root)
    assert doctor.mounts(place).state is Health.BROKEN


def test_a_state_directory_inside_the_volume_is_found(place: VolumeSettings) -> None:
    inside = place.model_copy(update={"state_directory": place.root / "state"})
    assert doctor.mounts(inside).state is Health.BROKEN


@pytest.mark.parametrize(
    ("break_it", "state", "said"),
    [
        (lambda place: (place.state_dir / "admin-token").touch(0o644), Health.BROKEN, "admin-token"),
        (lambda place: place.root.chmod(0o700), Health.UNSURE, "cannot pass"),
    ],
)
def test_permissions_that_let_too_many_or_too_few_are_found(
    place: VolumeSettings, break_it: Callable[[VolumeSettings], None], state: Health, said: str
) -> None:
    for directory in place.root.parents:
        if directory.stat().st_mode & 0o001 == 0:
            directory.chmod(0o711)  # of the test's own, which are closed
    (well,) = doctor.permissions(place)
    assert well.state is Health.GOOD
    break_it(place)
    (found,) = doctor.permissions(place)
    assert (found.state, said in found.said) == (state, True)


def test_a_directory_that_is_not_ours_to_write_is_found(
    place: VolumeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda directory, _mode: directory != place.state_dir)
    (found,) = doctor.permissions(place)
    assert (found.state, str(place.state_dir) in found.said) == (Health.BROKEN, True)


def test_a_queue_or_database_that_is_away_and_failing_work_are_found(
    place: VolumeSettings, network: Network
) -> None:
    network.says(f"{ADDRESS}/readyz", {"dependencies": {"queue": "ok", "database": "ok"}})
    assert states(doctor.dependencies(patient(place))) == [
        ("queue", Health.GOOD),
        ("database", Health.GOOD),
    ]
    network.says(
        f"{ADDRESS}/readyz",
        {"dependencies": {"queue": "no answer", "database": "locked."}, "background": {"sweeping": "failed"}},
        status=503,
    )
    found = list(doctor.dependencies(patient(place)))
    assert {one.state for one in found} == {Health.BROKEN}
    assert [one.check for one in found] == ["queue", "database", "background: sweeping"]
    assert all(one.remedy for one in found)
    assert found[1].said == f"{ADDRESS}: locked."


def test_a_key_that_a_provider_does_not_accept_is_found(place: VolumeSettings) -> None:
    providers = [
        {"title": "TMDB", "condition": "misconfigured", "detail": "TMDB does not accept our key (401)."},
        {"title": "Trakt", "condition": "off", "detail": "TRAKT_CLIENT_ID is not set."},
        {"title": "TVDB", "condition": "ready", "detail": "TVDB answers."},
    ]
    server = SaidServer(ADDRESS, answer={"providers": providers})
    assert states(doctor.keys(patient(place, server=server))) == [
        ("key of TMDB", Health.BROKEN),
        ("key of Trakt", Health.UNSURE),
        ("key of TVDB", Health.GOOD),
    ]


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ({"/readyz/stored": 200, "/metrics": 404}, Health.GOOD),
        ({"/readyz/stored": 503, "/metrics": 404}, Health.BROKEN),
        ({"/readyz/stored": 200, "/metrics": 200}, Health.BROKEN),
        ({}, Health.BROKEN),
    ],
)
def test_a_web_server_that_reaches_nobody_or_shows_too_much_is_found(
    place: VolumeSettings, network: Network, answers: dict[str, int], state: Health
) -> None:
    for path, status in answers.items():
        network.says(FRONT + path, "", status)
    (found,) = doctor.nginx(patient(place, front=FRONT))
    assert found.state is state


def test_without_a_web_server_that_is_said(place: VolumeSettings) -> None:
    assert states(doctor.nginx(patient(place))) == [("nginx", Health.UNSURE)]


def test_a_clock_that_is_wrong_is_found(place: VolumeSettings, network: Network) -> None:
    network.says(f"{ADDRESS}/healthz", "")
    assert states(doctor.clocks(patient(place))) == [("clocks", Health.GOOD)]
    network.date = NOW - timedelta(minutes=2)
    (found,) = doctor.clocks(patient(place))
    assert (found.state, "120 s" in found.said) == (Health.BROKEN, True)


def test_a_service_of_another_version_is_found(place: VolumeSettings, network: Network) -> None:
    for address in (ADDRESS, FETCHER):
        network.says(f"{address}/metrics", f'onesheet_build_info{{version="{ONESHEET_VERSION}"}} 1.0\n')
    network.says(f"{ADDRESS}/readyz", {})
    both = patient(place, services=(FETCHER,))
    assert states(doctor.versions(both)) == [("versions", Health.GOOD)]
    network.says(f"{FETCHER}/metrics", 'onesheet_build_info{version="0.0.1"} 1.0\n')
    assert states(doctor.versions(both)) == [("versions", Health.BROKEN)]
    network.says(f"{ADDRESS}/readyz", {"services": {"version": "It is not the same in all services."}})
    assert states(doctor.versions(patient(place))) == [("versions", Health.BROKEN)]


def test_a_version_that_a_web_server_hides_is_not_taken_for_another_one(
    place: VolumeSettings, network: Network
) -> None:
    network.says(f"{ADDRESS}/metrics", "", 404)
    network.says(f"{ADDRESS}/readyz", {})
    (found,) = doctor.versions(patient(place))
    assert (found.state, "--service" in found.remedy) == (Health.UNSURE, True)
    network.says(f"{FETCHER}/metrics", 'onesheet_build_info{version="0.0.1"} 1.0\n')
    assert states(doctor.versions(patient(place, services=(FETCHER,)))) == [("versions", Health.BROKEN)]


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(Exit.FAILED, "It answers"), (Exit.NOT_ALLOWED, "admin token"), (Exit.UNREACHABLE, "Start it")],
)
def test_nobody_is_told_to_start_a_server_that_answers(
    place: VolumeSettings, monkeypatch: pytest.MonkeyPatch, code: Exit, remedy: str
) -> None:
    monkeypatch.setenv("VOLUME_URL", place.volume_url)
    monkeypatch.setenv("STATE_DIR", str(place.state_dir))

    def videos(_patient: Patient) -> Iterable[Diagnosis]:
        raise CommandFailed("The database cannot be asked now.", code)

    monkeypatch.setattr(doctor, "ASKED", (videos,))
    assert remedy in doctor.examine(lambda: Server(ADDRESS))[-1].remedy


def test_a_server_that_does_not_answer_leaves_what_can_be_seen_without_it(
    place: VolumeSettings, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOLUME_URL", place.volume_url)
    monkeypatch.setenv("STATE_DIR", str(place.state_dir))
    monkeypatch.setenv("DISK_FREE_FLOOR_GB", "0")

    def nobody() -> Server:
        raise CommandFailed("Nobody is there.", Exit.UNREACHABLE)

    found = doctor.examine(nobody)
    assert found[-1].check == "server"
    assert {"disk", "mounts", "permissions"} < {one.check for one in found}
    unheard = doctor.examine(lambda: Server(ADDRESS))  # it vanishes after it was found
    assert {one.state for one in unheard if one.check in ("dependencies", "clocks", "versions")} == {
        Health.BROKEN
    }


@pytest.mark.parametrize(
    ("used_gb", "budget_gb", "state"), [(1, 50, Health.GOOD), (26, 50, Health.UNSURE), (26, 0, Health.GOOD)]
)
def test_videos_that_leave_pictures_little_room_are_told(
    place: VolumeSettings, used_gb: int, budget_gb: int, state: Health
) -> None:
    answer = {
        "videos": {"files": 3, "bytes": used_gb * 1024**3},
        "budget": {"files": 0, "bytes": budget_gb * 1024**3},
    }
    (found,) = doctor.videos(patient(place, server=SaidServer(ADDRESS, answer=answer)))
    assert (found.state, "3 take" in found.said) == (state, True)
    assert ("VIDEO_KEEP_DAYS" in found.remedy) == (state is Health.UNSURE)
