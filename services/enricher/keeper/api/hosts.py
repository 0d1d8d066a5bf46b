"""Endpoints of picture hosts that are left alone."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from shared.http import Problem
from shared.telemetry import add_to_line
from shared.volume import HostPause, HostPauses


class HostParameters(Parameters):
    host: str = Field(min_length=1, max_length=300, description="As the list names it, with its port")
    dry_run: bool = Field(default=False, description="Only say which pause it is")


class PausedHost(BaseModel):
    """One that is asked for nothing, but for a few pictures that try it where it fails."""

    model_config = ConfigDict(frozen=True)

    host: str
    reason: Literal["failing", "asked"] = Field(
        description="failing: it keeps failing; asked: it has asked us to wait"
    )
    until: AwareDatetime
    left_s: int = Field(description="0: it is over, and somebody has yet to find the host well")
    in_a_row: int = Field(description="How many pauses before this one brought nothing")

    @classmethod
    def of(cls, host: str, pause: HostPause, now: datetime) -> "PausedHost":
        return cls(
            host=host,
            reason="failing" if pause.failing else "asked",
            until=pause.until,
            left_s=max(0, round((pause.until - now).total_seconds())),
            in_a_row=pause.in_a_row,
        )


class PausedHosts(BaseModel):
    model_config = ConfigDict(frozen=True)

    hosts: tuple[PausedHost, ...]


def host_endpoints(pauses: HostPauses) -> list[Endpoint]:
    async def hosts(_asked: Parameters) -> PausedHosts:
        """Hosts that are paused, with those of which it is not known that they are well again."""
        now = datetime.now(UTC)
        found = await pauses.all()
        return PausedHosts(hosts=tuple(PausedHost.of(host, found[host], now) for host in sorted(found)))

    async def end_pause(asked: HostParameters) -> PausedHost:
        """End a host's pause: from now on it is asked as any other. The answer is the pause that was."""
        host = asked.host.lower()
        pause = await pauses.pause_of(host)
        if pause is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"{host[:100]} is not paused.")
        if not asked.dry_run:
            await pauses.forget(host)
            add_to_line(host=host, outcome="pause ended")
        return PausedHost.of(host, pause, datetime.now(UTC))

    return [
        Endpoint("GET", "/api/v1/admin/hosts", hosts, PausedHosts, access=Access.ADMIN),
        Endpoint(
            "DELETE",
            "/api/v1/admin/hosts/{host}",
            end_pause,
            PausedHost,
            HostParameters,
            access=Access.ADMIN,
        ),
    ]
