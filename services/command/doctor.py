"""What may be wrong with an installation: each thing looked at by itself, said in a sentence, with what to do about it."""

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from services.command.server import CommandFailed, Exit, Server, fetch
from services.enricher.api.bearer_tokens import ADMIN_TOKEN_FILE
from services.enricher.settings import EnricherSettings
from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.http import STORED_READY
from shared.queue import QueueSettings
from shared.settings import ONESHEET_VERSION
from shared.volume import (
    FloorSettings,
    VolumeRefused,
    VolumeSettings,
    check_state_dir,
    volume_identity,
    volume_to_keep,
)


class Health(StrEnum):
    GOOD = "good"
    UNSURE = "look"
    BROKEN = "broken"


class Diagnosis(BaseModel):
    """Of one check: how it is, and what to do where that is not good."""

    model_config = ConfigDict(frozen=True)

    check: str
    state: Health
    said: str
    remedy: str = ""


STATE_FREE_BYTES = 512 * 1024**2
"""That databases should have left."""

VIDEOS_AT_MOST = 0.5
"""Of the disk's budget."""

CLOCK_APART = timedelta(seconds=5)
"""A `Date` has whole seconds, and an answer takes its time."""

_BUILD = re.compile(r'^onesheet_build_info\{[^}]*version="([^"]+)"[^}]*\} 1', re.MULTILINE)


_UNTOLD = "unknown"


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. `services` are the addresses of each; the first is the server that is spoken to."""

    place: VolumeSettings
    server: Server
    services: tuple[str, ...] = ()
    front: str = ""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.server.address, *self.services)))


def examine(
    server: Callable[[], Server], *, services: Sequence[str] = (), front: str | None = None
) -> list[Diagnosis]:
    """All checks. Where settings make no sense, or nobody answers, only what can be known without."""
    found = [settings_make_sense()]
    if found[0].state is Health.BROKEN:
        return found
    place = VolumeSettings()
    found += [*disk(place), mounts(place), *permissions(place)]
    try:
        reached = server()
    except CommandFailed as failed:
        return [*found, Diagnosis(check="server", state=Health.BROKEN, said=str(failed), remedy=_START)]
    public = front or EnricherSettings().urls.public_url
    patient = Patient(place, reached, tuple(one.rstrip("/") for one in services), public.rstrip("/"))
    for check in ASKED:
        try:
            found += check(patient)
        except CommandFailed as failed:
            remedy = _WAYS_OUT.get(failed.code, _LOOK_AT_OTHERS)
            found.append(
                Diagnosis(check=check.__name__, state=Health.BROKEN, said=str(failed), remedy=remedy)
            )
    return found


_START = "Start it (onesheet serve), or say where it is (--url)."
_WAYS_OUT = {Exit.NOT_ALLOWED: "Give the admin token.", Exit.UNREACHABLE: _START}
_LOOK_AT_OTHERS = "It answers, and cannot do this: see what else is told here, or its log."


def settings_make_sense() -> Diagnosis:
    name = "settings"
    try:
        for settings in (ProxySettings, FetcherSettings, EnricherSettings, QueueSettings, VolumeSettings):
            settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        about = ".".join(map(str, first["loc"]))
        said = f"{about}: {first['msg'].removeprefix('Value error, ')}"
        return Diagnosis(
            check=name, state=Health.BROKEN, said=said, remedy="docs/settings.md says how it is written."
        )
    return Diagnosis(check=name, state=Health.GOOD, said="All can be read.")


def disk(place: VolumeSettings) -> Iterator[Diagnosis]:
    """Room for pictures, and for the databases."""
    floor = FloorSettings().floor
    for name, directory, least, remedy in (
        (
            "disk",
            place.root,
            floor.bytes,
            "Below DISK_FREE_FLOOR_GB nothing new is fetched: make room, or lower it.",
        ),
        ("disk of databases", place.state_dir, STATE_FREE_BYTES, "Make room where STATE_DIR is."),
    ):
        free = shutil.disk_usage(_there(directory)).free
        said = f"{free / 1024**3:.1f} GB are free at {directory}."
        state = Health.GOOD if free >= least else Health.BROKEN
        yield Diagnosis(check=name, state=state, said=said, remedy="" if state is Health.GOOD else remedy)


def _store(name: str, place: VolumeSettings, url: str) -> Diagnosis:
    """As a service finds it at its start: whether it answers, lets us in, and keeps what it promises."""
    try:
        volume_to_keep(place)
    except VolumeRefused as refused:
        return Diagnosis(
            check=name, state=Health.BROKEN, said=str(refused), remedy="See docs/object-storage.md."
        )
    return Diagnosis(check=name, state=Health.GOOD, said=f"The volume is in {url}, which keeps conditions.")


def mounts(place: VolumeSettings) -> Diagnosis:
    """That the volume is there and is one, and that databases do not lie on a network file system."""
    name = "mounts"
    try:
        check_state_dir(place.root, place.state_dir)
    except VolumeRefused as refused:
        return Diagnosis(
            check=name, state=Health.BROKEN, said=str(refused), remedy="Set STATE_DIR to a local disk."
        )
    if place.objects:
        return _store(name, place, place.objects.url)
    if not place.root.is_dir():
        return Diagnosis(
            check=name,
            state=Health.BROKEN,
            said=f"There is no directory {place.root}.",
            remedy="Mount the volume, or set VOLUME_URL; the fetcher makes a new one where it may.",
        )
    if not volume_identity(place) and (place.state_dir / "enricher.sqlite").exists():
        return Diagnosis(
            check=name,
            state=Health.BROKEN,
            said=f"{place.root} is no volume of ours, although there is a database.",
            remedy="It is probably not mounted: mount it, and start the services after that.",
        )
    return Diagnosis(check=name, state=Health.GOOD, said=f"The volume is at {place.root}.")


def permissions(place: VolumeSettings) -> Iterator[Diagnosis]:
    """That pictures can be written by us and read by the web server, and secrets by us alone."""
    name = "permissions"
    for directory in (place.root, place.state_dir):
        there = _there(directory)
        if not os.access(there, os.W_OK | os.X_OK):
            remedy = f"Give it to the services' user: chown -R <user> {directory}."
            yield Diagnosis(
                check=name, state=Health.BROKEN, said=f"{there} is not writable for us.", remedy=remedy
            )
            return
    if closed := [
        one
        for one in (place.root, *place.root.parents)
        if one.exists() and not one.stat().st_mode & stat.S_IXOTH
    ]:
        yield Diagnosis(
            check=name,
            state=Health.UNSURE,
            said=f"Other users cannot pass {closed[-1]}: nginx serves nothing by itself then.",
            remedy=f"chmod o+x {closed[-1]}, or run nginx's workers as the services' user (NGINX_USER).",
        )
        return
    token = place.state_dir / ADMIN_TOKEN_FILE
    if token.exists() and token.stat().st_mode & 0o077:
        said = f"Others may read {token}."
        yield Diagnosis(check=name, state=Health.BROKEN, said=said, remedy=f"chmod 600 {token}")
        return
    yield Diagnosis(check=name, state=Health.GOOD, said="Ours to write, others' to read where they have to.")


def _there(directory: Path) -> Path:
    """It, or what is there of the way to it."""
    return next(one for one in (directory, *directory.parents) if one.exists())


def dependencies(patient: Patient) -> Iterator[Diagnosis]:
    """Queue, database and volume, as the services find them; what goes on in the background."""
    for address in patient.addresses:
        reply = fetch(f"{address}/readyz").json
        report = reply if isinstance(reply, dict) else {}
        for name, said in report.get("dependencies", {}).items():
            good = said == "ok"
            yield Diagnosis(
                check=name,
                state=Health.GOOD if good else Health.BROKEN,
                said=f"{address}: {'answers' if good else str(said).rstrip('.')}.",
                remedy="" if good else _REMEDIES.get(name, ""),
            )
        for name, said in report.get("background", {}).items():
            remedy = "The log has its traceback; docs/operations.md, OnesheetBackgroundFailing."
            yield Diagnosis(
                check=f"background: {name}", state=Health.BROKEN, said=f"{address}: {said}", remedy=remedy
            )


_REMEDIES = {
    "queue": "Look whether the broker runs, and whether QUEUE_URL, its user and virtual host are right.",
    "database": "Look at the disk of STATE_DIR, and whether DATABASE_URL answers.",
    "volume": "Look whether the volume is mounted.",
}


def keys(patient: Patient) -> Iterator[Diagnosis]:
    """Each provider is asked one small question with its key."""
    answer = patient.server.ask("POST", "/api/v1/admin/providers/check")
    states = {"ready": Health.GOOD, "off": Health.UNSURE, "busy": Health.UNSURE}
    remedies = {
        "off": "Without it there is nothing of this provider; the others do.",
        "misconfigured": "Correct the key.",
        "failing": "Look whether the network lets us through (HTTPS_PROXY), and at the provider's own status page.",
    }
    for provider in answer["providers"]:
        condition = provider["condition"]
        yield Diagnosis(
            check=f"key of {provider['title']}",
            state=states.get(condition, Health.BROKEN),
            said=provider["detail"],
            remedy=remedies.get(condition, ""),
        )


def nginx(patient: Patient) -> Iterator[Diagnosis]:
    """That the web server in front passes on what it should, and nothing else."""
    name, front = "nginx", patient.front
    if not front:
        remedy = "Give --front, or PUBLIC_URL, if there is one."
        yield Diagnosis(
            check=name, state=Health.UNSURE, said="No web server in front is known.", remedy=remedy
        )
        return
    try:
        stored, measured = fetch(f"{front}{STORED_READY}"), fetch(f"{front}/metrics")
    except CommandFailed as failed:
        yield Diagnosis(
            check=name,
            state=Health.BROKEN,
            said=str(failed),
            remedy="Start nginx; nginx -t says what it lacks.",
        )
        return
    if stored.status != HTTPStatus.OK:
        said = f"{front}{STORED_READY} answers {stored.status}: it reaches no proxy that can serve."
        yield Diagnosis(
            check=name,
            state=Health.BROKEN,
            said=said,
            remedy="Look at PROXIES, and run deploy/nginx/render again.",
        )
    elif measured.status == HTTPStatus.OK:
        said = f"{front}/metrics is open to whoever reaches it."
        yield Diagnosis(
            check=name,
            state=Health.BROKEN,
            said=said,
            remedy="Let it pass on pictures only: deploy/nginx does.",
        )
    else:
        yield Diagnosis(
            check=name, state=Health.GOOD, said=f"{front} reaches a proxy, and hides what it should."
        )


def videos(patient: Patient) -> Iterator[Diagnosis]:
    """What they take of the budget that they share with pictures, which leave first."""
    told = patient.server.ask("GET", "/api/v1/images/storage/stats")
    used, budget = told["videos"], told["budget"]["bytes"]
    said = f"{used['files']} take {used['bytes'] / 1024**3:.1f} GB."
    if budget and used["bytes"] > budget * VIDEOS_AT_MOST:
        remedy = "They leave pictures little room: lower VIDEO_KEEP_DAYS, or raise DISK_BUDGET_GB."
        yield Diagnosis(check="videos", state=Health.UNSURE, said=said, remedy=remedy)
    else:
        yield Diagnosis(check="videos", state=Health.GOOD, said=said)


def clocks(patient: Patient) -> Iterator[Diagnosis]:
    """Of all machines: signatures expire, pauses of hosts and pictures' freshness end by them."""
    for address in patient.addresses:
        told = fetch(f"{address}/healthz").headers["Date"]
        apart = abs(parsedate_to_datetime(told) - patient.now()) if told else timedelta(0)
        good = apart <= CLOCK_APART
        yield Diagnosis(
            check="clocks",
            state=Health.GOOD if good else Health.BROKEN,
            said=f"{address} is {apart.total_seconds():.0f} s from here.",
            remedy="" if good else "Set the clocks by NTP (timedatectl set-ntp true).",
        )


def versions(patient: Patient) -> Iterator[Diagnosis]:
    """Of this command, and of all services that were named or that the server has heard of."""
    found = {address: _version_at(address) for address in patient.addresses}
    notes: Any = fetch(f"{patient.server.address}/readyz").json
    unlike = isinstance(notes, dict) and "version" in notes.get("services", {})
    told = ", ".join(f"{address} {version}" for address, version in found.items())
    if unlike or {*found.values()} - {ONESHEET_VERSION, _UNTOLD}:
        said = f"{told}; here {ONESHEET_VERSION}{'; services on the queue differ' if unlike else ''}."
        yield Diagnosis(
            check="versions", state=Health.BROKEN, said=said, remedy="Upgrade all: docs/upgrade.md."
        )
    elif _UNTOLD in found.values():
        hidden = ", ".join(address for address, version in found.items() if version == _UNTOLD)
        remedy = "A web server in front hides it: give the service's own address (--url, --service)."
        yield Diagnosis(
            check="versions", state=Health.UNSURE, said=f"{hidden} does not tell its version.", remedy=remedy
        )
    else:
        yield Diagnosis(check="versions", state=Health.GOOD, said=f"All are {ONESHEET_VERSION}.")


def _version_at(address: str) -> str:
    built = _BUILD.search(fetch(f"{address}/metrics").body.decode(errors="replace"))
    return built[1] if built else _UNTOLD


ASKED: tuple[Callable[[Patient], Iterator[Diagnosis]], ...] = (
    dependencies,
    keys,
    nginx,
    videos,
    clocks,
    versions,
)
