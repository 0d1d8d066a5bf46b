"""Whoever answers what proxies ask of `resolve.now`: as much of it as their tests need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shared.contracts import Envelope, FetchPicture, Message, NameRefused, PictureFailed, ResolvePicture
from shared.pictures import Failure, FailureClass, Name, PictureId, SourceUrl
from shared.queue import Lane
from shared.telemetry import utc_now
from tests.integration.onesheet import Onesheet


def gone(reason: str = "No provider has a picture.") -> Failure:
    return Failure.after(None, FailureClass.GONE, reason, now=utc_now())


@dataclass
class Resolver:
    """Knows where some names and pictures come from, and tells everybody of all others that there are none."""

    onesheet: Onesheet
    known: dict[Name | PictureId, SourceUrl] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def beside(cls, onesheet: Onesheet) -> "AsyncIterator[Resolver]":
        resolver = cls(onesheet)
        async with onesheet.queue.consume(Lane.RESOLVE_NOW, resolver.resolve, concurrency=1):
            yield resolver

    async def resolve(self, envelope: Envelope) -> None:
        job = envelope.payload
        assert isinstance(job, ResolvePicture)
        about = job.name or job.picture
        assert about
        if source := self.known.get(about):
            fetch = FetchPicture(source_url=source, rendition=job.rendition, name=job.name)
            await self.onesheet.publish(fetch, Lane.PICTURES_NOW)
        else:
            await self.onesheet.queue.announce(Envelope.of(_refusal(job), trace_id="a-test"))


def _refusal(job: ResolvePicture) -> Message:
    if job.name:
        return NameRefused(name=job.name, failure=gone())
    assert job.picture
    failure = gone("Nobody knows this picture.")
    return PictureFailed(picture=job.picture, rendition=None, failure=failure, unknown=True)
