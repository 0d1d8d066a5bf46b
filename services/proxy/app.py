"""The proxy, composed: everything it is made of, from the outside in. Nothing starts before the app does."""

from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from services.proxy.access_counts import AccessCounts
from services.proxy.delivery import OUTCOMES, Delivery
from services.proxy.handlers import PROXY, Proxy, answering_early, picture_routes
from services.proxy.hot_answers import HotAnswers
from services.proxy.lookup import Lookup, Staleness
from services.proxy.responses import Answers, Responder
from services.proxy.settings import ProxySettings
from services.proxy.videos import VideoAnswers
from services.proxy.waiting_room import WaitingRoom
from shared.http import STORED_READY, Skeleton, readiness
from shared.http.early import EARLY
from shared.http.signatures import Signatures
from shared.pictures import RefusalReason
from shared.pictures.public_paths import PUBLIC_PATHS, PublicPaths
from shared.queue import Peers, Queue, alike, telling_work
from shared.telemetry import start_at_zero
from shared.volume import ReadVolume, following

_log = structlog.get_logger()


def add_proxy(
    skeleton: Skeleton,
    settings: ProxySettings,
    *,
    queue: Queue,
    volume: ReadVolume,
    paths: PublicPaths = PUBLIC_PATHS,
) -> None:
    metrics, pictures, peers = skeleton.metrics, volume.pictures, Peers(skeleton.metrics)
    metrics.waiting.set(0)
    start_at_zero(metrics.pictures_served, OUTCOMES)
    start_at_zero(metrics.refusals, RefusalReason)
    rules = settings.hosts.rules
    sight = Lookup(pictures, volume.names)
    room = WaitingRoom(
        queue,
        sight,
        metrics,
        limit=settings.max_waiting,
        question_lasts_s=settings.fetch_timeout_s,
    )
    staleness = Staleness(queue, pictures, rules)
    use = AccessCounts(queue, volume.names, metrics)
    hot = HotAnswers(settings.hot_cache_mb * 1024 * 1024, volume.names, settings.image_format)

    async def open_rooms(_app: web.Application) -> AsyncIterator[None]:
        telling = use.telling(settings.access_log_address, skeleton.background)
        about = telling_work(queue, metrics, "proxy", background=skeleton.background, setup=setup)
        # Before whoever looks because of an event, what is remembered of the volume hears of it.
        async with (
            following(volume.live, queue.listen, metrics),
            room.open(skeleton.background),
            staleness.open(),
            telling,
            peers.listening(queue),
            about,
        ):
            yield

    def setup() -> dict[str, str]:
        return alike(
            volume=volume.identity(),
            allowed_hosts=settings.hosts.allowed_hosts,
            signing_keys=settings.signing_keys,
            upload_signing_keys=settings.upload_signing_keys,
        )

    skeleton.notes["services"] = peers.troubles
    skeleton.checks.update(queue=queue.ping, volume=volume.check)
    skeleton.app.cleanup_ctx.append(open_rooms)
    signatures = Signatures(settings.signing_keys)
    delivery = Delivery(
        pictures,
        sight,
        volume.hosts,
        rules=rules,
        waiting_room=room,
        staleness=staleness,
        metrics=metrics,
    )
    responder = Responder(
        hot,
        cors_origin=settings.cors_origin,
        allow_svg=settings.allow_svg,
        accel=settings.send_files == "accel",
    )
    answers = Answers(responder, delivery, signatures, paths, redirects=settings.miss_fallback == "redirect")
    private_signatures = Signatures(settings.upload_signing_keys or settings.signing_keys)
    proxy = Proxy(
        settings=settings,
        rules=rules,
        signatures=signatures,
        private_signatures=private_signatures,
        delivery=delivery,
        hot=hot,
        answers=answers,
        use=use,
    )
    skeleton.app[PROXY] = proxy
    skeleton.app[EARLY] = answering_early(proxy, skeleton.service, metrics)
    skeleton.add_routes(picture_routes(paths))
    skeleton.add_routes(VideoAnswers(volume.videos, private_signatures, responder.shareable, metrics).routes)
    skeleton.add_routes([web.get(STORED_READY, readiness({"volume": volume.check}, {}))])
    if not settings.signing_keys and "*" in settings.hosts.allowed_hosts:
        _log.warning(
            "anybody can have pictures of any host fetched: set SIGNING_KEYS, or narrow ALLOWED_HOSTS"
        )
