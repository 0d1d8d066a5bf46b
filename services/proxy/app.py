"""The proxy, composed: everything it is made of, from the outside in. Nothing starts before the app does."""

from collections.abc import AsyncIterator

from aiohttp import web

from services.proxy.delivery import Delivery
from services.proxy.handlers import DELIVERY, SETTINGS, picture_routes
from services.proxy.settings import ProxySettings
from services.proxy.staleness import Staleness
from services.proxy.waiting_room import WaitingRoom
from shared.http import Skeleton
from shared.queue import Queue
from shared.volume import ReadVolume


def add_proxy(skeleton: Skeleton, settings: ProxySettings, *, queue: Queue, volume: ReadVolume) -> None:
    room = WaitingRoom(
        queue,
        volume.pictures,
        skeleton.metrics,
        limit=settings.max_waiting,
        question_lasts_s=settings.fetch_timeout_s,
    )
    staleness = Staleness(queue, volume.pictures)

    async def open_rooms(_app: web.Application) -> AsyncIterator[None]:
        async with room.open(), staleness.open():
            yield

    skeleton.checks.update(queue=queue.ping, volume=lambda: _look_at(volume))
    app = skeleton.app
    app[SETTINGS] = settings
    app[DELIVERY] = Delivery(volume.pictures, volume.hosts, room, staleness, skeleton.metrics)
    app.cleanup_ctx.append(open_rooms)
    app.add_routes(picture_routes)


async def _look_at(volume: ReadVolume) -> None:
    """Raise VolumeRefused when the volume is not there, or was never prepared."""
    volume.layout.check_readable()
