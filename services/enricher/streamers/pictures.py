"""The pictures of the shelf: what is stored of them, where it is with us, and having what is not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from services.enricher.finder import Finder
from services.enricher.pictures.shown import PictureUrls
from services.enricher.streamers import naming
from services.enricher.streamers.rows import Category, LiveStream, Streamer
from shared.pictures import DOWNLOAD, ORIGINAL, Failure, Name, SourceUrl
from shared.telemetry import utc_now
from shared.volume import Names, Pictures, Revision

Pair = tuple[Name, SourceUrl]
"""What is to be shown, and where it comes from."""


@dataclass(frozen=True, slots=True)
class ShelfPictures:
    """Raises QueueError and DatabaseUnavailable where something is ordered."""

    finder: Finder
    names: Names
    stored: Pictures
    urls: PictureUrls

    def of_streamer(self, streamer: Streamer) -> Iterator[Pair]:
        if streamer.profile_source:
            yield naming.profile_of(streamer.id), SourceUrl.parse(streamer.profile_source)
        if streamer.offline_source:
            yield naming.banner_of(streamer.id), SourceUrl.parse(streamer.offline_source)

    def of_category(self, category: Category) -> Iterator[Pair]:
        if category.source:
            yield naming.cover_of(category.cover_id), SourceUrl.parse(category.source)

    def of_stream(self, stream: LiveStream) -> Iterator[Pair]:
        if stream.artwork_source:
            yield naming.artwork_of(stream.id), SourceUrl.parse(stream.artwork_source)

    async def revision(self, name: Name) -> Revision | None:
        """What the name shows, as it is stored; None: nothing, or nothing that is here."""
        picture = await self.names.picture(name)
        return await self.stored.current(picture) if picture else None

    async def is_current(self, name: Name, source: SourceUrl) -> bool:
        """Whether it shows what comes from there, and that is stored."""
        picture = await self.names.picture(name)
        return picture == source.picture and await self.stored.current(source.picture) is not None

    async def order(self, name: Name, source: SourceUrl) -> bool:
        """Have it fetched, unless it is here. Until it is stored the name shows what it showed. False: it is here."""
        return bool(await self.order_all([(name, source)]))

    async def order_all(self, pairs: Iterable[Pair]) -> Mapping[Name, SourceUrl]:
        """The same of several at once; those that are not here."""
        missing = {name: source for name, source in pairs if not await self.is_current(name, source)}
        if missing:
            await self.finder.show(missing)
        return missing

    async def failure(self, name: Name, source: SourceUrl) -> Failure | None:
        """Why it cannot be had, for now."""
        failure = await self.names.failure(name)
        if failure and not failure.is_over(utc_now()):
            return failure
        failure = (await self.stored.state(source.picture)).failures.get(DOWNLOAD)
        return failure if failure and not failure.is_over(utc_now()) else None

    async def profile_url(self, streamer: Streamer) -> str | None:
        """Ours once it is stored, the source's before."""
        return await self._url(
            naming.profile_of(streamer.id), self.profile_path(streamer), streamer.profile_source
        )

    async def banner_url(self, streamer: Streamer) -> str | None:
        path = f"/data/images/banners/banner_{streamer.id}.jpg"
        return await self._url(naming.banner_of(streamer.id), path, streamer.offline_source)

    async def cover_url(self, category: Category) -> str | None:
        path = self.cover_path(category)
        return await self._url(naming.cover_of(category.cover_id), path, category.small_source)

    async def artwork_url(self, stream: LiveStream) -> str | None:
        path = self.artwork_path(stream)
        return await self._url(naming.artwork_of(stream.id), path, stream.artwork_source)

    def profile_path(self, streamer: Streamer) -> str:
        return f"/data/images/profiles/profile_avatar_{streamer.id}.jpg"

    def cover_path(self, category: Category) -> str:
        return f"/data/images/categories/{category.file_name}.jpg"

    def artwork_path(self, stream: LiveStream) -> str:
        folder = naming.artwork_folder(stream.streamer_id)
        return f"/data/images/artwork/{folder}/stream_{stream.id}.jpg"

    async def is_stored(self, name: Name) -> bool:
        picture = await self.names.picture(name)
        return picture is not None and await self.stored.find(picture, (ORIGINAL,)) is not None

    async def _url(self, name: Name, path: str, source: str | None) -> str | None:
        return self.urls.of_file(path) if await self.is_stored(name) else source
