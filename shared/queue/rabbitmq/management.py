"""The management API: how the lanes are exactly, where an operator says where it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from shared.queue.port import Lane, LaneMeasure, QueueUnavailable

TIMEOUT_S = 2.0
_COLUMNS = (
    "messages_ready,messages_unacknowledged,messages_dlx,consumers,"
    "message_stats.publish_details.rate,message_stats.ack_details.rate"
)


class Management:
    """Of one virtual host. `url` carries the credentials."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, vhost: str) -> None:
        self._session = session
        self._base = url.with_user(None).with_password(None)
        self._vhost = quote(vhost, safe="")

    async def measure(self, lane: Lane) -> LaneMeasure:
        """Raise QueueUnavailable where it does not answer, or not as it should."""
        path = f"/api/queues/{self._vhost}/{lane.value}?columns={_COLUMNS}"
        try:
            async with asyncio.timeout(TIMEOUT_S):
                url = URL(f"{str(self._base).rstrip('/')}{path}", encoded=True)
                async with self._session.get(url, raise_for_status=True) as answer:
                    return _measure(await answer.json())
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            why = str(error) or type(error).__name__
            raise QueueUnavailable(f"the management API did not answer: {why[:200]}") from error


@asynccontextmanager
async def open_management(url: str, vhost: str) -> AsyncIterator[Management]:
    parsed = URL(url)
    headers = {}
    if parsed.user:
        headers["Authorization"] = aiohttp.encode_basic_auth(parsed.user, parsed.password or "")
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Management(session, parsed, vhost)


def _measure(said: Any) -> LaneMeasure:
    """What is being moved to a lane that it cannot reach (`messages_dlx`) waits as well.

    Raise ValueError where the broker knows nothing of the lane yet: then it says `[]`.
    """
    if not isinstance(said, dict):
        raise ValueError("nothing is known of the lane yet")  # noqa: TRY004 - as other answers that make no sense
    rates = said.get("message_stats") or {}
    return LaneMeasure(
        waiting=int(said["messages_ready"]) + int(said.get("messages_dlx") or 0),
        in_hand=int(said["messages_unacknowledged"]),
        consumers=int(said["consumers"]),
        published_per_s=_rate(rates, "publish_details"),
        done_per_s=_rate(rates, "ack_details"),
        exact=True,
    )


def _rate(rates: dict[str, Any], name: str) -> float:
    return float((rates.get(name) or {}).get("rate") or 0.0)
