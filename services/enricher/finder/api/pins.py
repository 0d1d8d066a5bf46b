"""Pinning: an operator says which picture a name shows, by its URL or by sending it, and takes that back."""

from http import HTTPStatus

from pydantic import Field

from services.enricher.api.endpoint import Access, Body, Endpoint, Sent
from services.enricher.finder.api.artwork import NameParameters, ShownArtwork, allowed_source, shown_artwork
from services.enricher.finder.api.outcomes import failure_problem
from services.enricher.finder.api.purging import DryParameters, NameRemoval, Purger
from services.enricher.pictures import PictureUrls
from shared.pictures import HostRules
from shared.pictures.source import MAX_LENGTH

MAX_UPLOAD_BYTES = 10 * 1024 * 1024
_PATH = "/api/v1/admin/images/{kind}/{id}/{role}"


class PinOrder(Body):
    url: str = Field(max_length=MAX_LENGTH, description="Of the picture at its source")


class RemovedNameParameters(NameParameters, DryParameters):
    pass


class ShownPin(ShownArtwork):
    stored: bool = Field(description="The name shows it already; else as soon as it could be fetched")


def pin_endpoints(purger: Purger, urls: PictureUrls, rules: HostRules) -> list[Endpoint]:
    resolving = purger.resolving
    pinning = resolving.pinning

    async def pin(asked: NameParameters, sent: PinOrder | Sent) -> ShownPin:
        """Pin a picture: it is shown under the name whatever anybody finds for it later, and never evicted.

        Send its URL as JSON, or its bytes under any other Content-Type. Waits until it is stored, 15 s at most.
        """
        if isinstance(sent, PinOrder):
            pinned = await pinning.pin(asked.name, allowed_source(sent.url, rules))
        else:
            pinned = await pinning.upload(asked.name, sent.body)
        if not isinstance(pinned, tuple):
            raise failure_problem(pinned)
        known, there = pinned
        shown = shown_artwork(known, urls, await resolving.stored.as_stored(known))
        return ShownPin(**dict(shown), stored=there)

    async def remove(asked: RemovedNameParameters) -> NameRemoval:
        """Unpin what is pinned: others choose again. Where nothing is: purge the picture, and forget the name.

        With `dry_run` it only says which of the two, and what that takes.
        """
        return await purger.remove(asked.name, dry_run=asked.dry_run)

    return [
        Endpoint(
            "PUT",
            _PATH,
            pin,
            ShownPin,
            NameParameters,
            PinOrder,
            access=Access.ADMIN,
            max_sent_bytes=MAX_UPLOAD_BYTES,
        ),
        Endpoint(
            "DELETE",
            _PATH,
            remove,
            NameRemoval,
            RemovedNameParameters,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        ),
    ]
