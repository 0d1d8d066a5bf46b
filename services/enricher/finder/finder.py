"""The finder's front door: what the others ask of it, and the wing composed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Self

from pydantic import Field, InstanceOf, model_validator

from services.enricher.api.endpoint import Endpoint
from services.enricher.finder import api
from services.enricher.finder.artwork.artwork import open_artwork
from services.enricher.finder.artwork.casts import Casts
from services.enricher.finder.artwork.choice import ArtworkSettings
from services.enricher.finder.metadata import Metadata, MetadataSettings, open_metadata
from services.enricher.finder.providers import ProviderSettings, ProviderStatus
from services.enricher.finder.providers.opening import Providers, open_providers
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.finder.resolving.opening import OpenResolving, ResolvingSettings, open_resolving
from services.enricher.finder.resolving.pinning import Waiter
from services.enricher.finder.resolving.resolver import LATER, USUAL, Evicted, OtherNames
from services.enricher.finder.resolving.table import SourcesElsewhere
from services.enricher.ground import Ground
from services.enricher.pictures.shown import PictureUrls
from shared.contracts import AdoptPictures, FetchPicture, PointName, PurgePicture, StoreUpload
from shared.pictures import (
    ORIGINAL,
    Failure,
    HostRules,
    Kind,
    Name,
    PictureId,
    Rendition,
    Source,
    SourceUrl,
    Upload,
)
from shared.pictures.public_paths import PublicPaths
from shared.queue import Lane
from shared.settings import Settings


class FinderSettings(Settings):
    providers: InstanceOf[ProviderSettings] = Field(default_factory=ProviderSettings.read)
    metadata: MetadataSettings = Field(default_factory=MetadataSettings)
    artwork: ArtworkSettings = Field(default_factory=ArtworkSettings)
    resolving: ResolvingSettings = Field(default_factory=ResolvingSettings)

    @model_validator(mode="after")
    def _orders_name_registered_providers(self) -> Self:
        names = [spec.name for spec in self.providers if spec.artwork]
        if unknown := self.artwork.named - set(names):
            raise ValueError(
                f"PROVIDER_ORDER_…: there is no provider {', '.join(sorted(unknown))}, only {', '.join(names)}."
            )
        return self


@dataclass(frozen=True, slots=True)
class Finder:
    """Who has what, and which picture a name shows. Raises QueueError and DatabaseUnavailable."""

    metadata: Metadata
    providers: Providers
    casts: Casts
    books: api.Books
    _settings: FinderSettings
    _resolving: OpenResolving

    @property
    def statuses(self) -> Mapping[str, ProviderStatus]:
        """How each provider is, by its name."""
        return self.providers.statuses

    def order(self, kind: Kind) -> Sequence[str]:
        """Of the providers by their names, where one is set for this kind."""
        return self._settings.artwork.order(kind)

    async def resolve(self, name: Name) -> None:
        """Have a picture found for it and fetched, behind what somebody waits for."""
        await self._resolving.resolver.resolve_name(name, USUAL, LATER)

    async def renew(self, name: Name, rendition: Rendition = ORIGINAL) -> None:
        """Have it looked for again, due or not, and show what is found as soon as that is stored."""
        await self._resolving.resolver.renew(name, rendition)

    async def renew_known(self, names: Iterable[Name]) -> None:
        """The same of those that somebody has asked for."""
        await self._resolving.resolver.renew_known(names, ORIGINAL)

    async def show(self, sources: Mapping[Name, Source]) -> None:
        """Have names show what is said here, as soon as that is stored."""
        await self._resolving.resolver.show(sources, ORIGINAL)

    async def forget(self, name: Name) -> None:
        """What it shows, with its picture where no other name shows that."""
        pinning, table = self._resolving.pinning, self._resolving.table
        picture = await pinning.shown(name)
        if picture and any(one.name != name for one in await table.of_pictures([picture])):
            await table.remove(name)
        else:
            await pinning.purge(name)

    async def fetch(self, source: SourceUrl) -> None:
        """Have its picture fetched, behind what somebody waits for."""
        job = FetchPicture(source_url=source, rendition=ORIGINAL)
        await self._resolving.jobs.queue(job, LATER.pictures)

    async def pin(self, name: Name, body: bytes) -> None:
        """Have bytes stored and shown under a name, whatever anybody finds for it later. Raise OSError."""
        await self._resolving.pinning.pin_soon(name, body)

    async def pin_now(self, name: Name, body: bytes) -> Source | str:
        """The same, once it is stored: what the name then shows; or a sentence, why it cannot be. Raise OSError."""
        shown = await self._resolving.pinning.upload(name, body)
        return shown.reason if isinstance(shown, Failure) else shown[0].shown.source

    async def knows(self, name: Name) -> bool:
        """Whether it shows something, or it is remembered why not."""
        return await self._resolving.pinning.knows(name)

    def ask_for(self, kind: Kind, others: OtherNames) -> None:
        """Names of this kind are another wing's first."""
        self._resolving.resolver.others[kind] = others

    async def make(self, source: Source, rendition: Rendition, name: Name) -> None:
        """Have this rendition of a picture that the name shows, behind what somebody waits for."""
        job = FetchPicture(source_url=source, rendition=rendition, name=name)
        await self._resolving.jobs.queue(job, LATER.pictures)

    async def purge(self, picture: PictureId) -> None:
        """Have it removed, with all that is remembered of it."""
        await self._resolving.jobs.queue(PurgePicture(picture=picture), Lane.PICTURES_NOW)

    async def adopt(self, job: AdoptPictures) -> None:
        """Have pictures that lie in the inbox stored, behind what somebody waits for."""
        await self._resolving.jobs.queue(job, LATER.pictures)

    async def keep(
        self, name: Name, body: bytes, upload: Upload, *, also: Name | None = None
    ) -> bool | Failure:
        """Have somebody's own picture stored as a JPEG and shown under the names, and whether it is by now; or why it
        cannot be. Raise OSError where it cannot be written.
        """
        kept = await self._resolving.pinning.keep(name, body, upload, also=also)
        return kept if isinstance(kept, Failure) else kept[1]

    async def let_go(self, name: Name) -> None:
        """Forget what it shows, and have the picture removed."""
        await self._resolving.pinning.purge(name)

    async def store(self, inbox_id: str, upload: Upload) -> None:
        """Have bytes that lie in the inbox kept, behind what somebody waits for: nobody else has them."""
        await self._resolving.jobs.queue(StoreUpload(inbox=inbox_id, sha256=upload.sha256), LATER.pictures)

    async def point(self, name: Name, picture: PictureId) -> None:
        """Have it show a picture that is stored."""
        await self._resolving.jobs.queue(PointName(name=name, picture=picture), LATER.pictures)

    async def names_of(self, kind: Kind, *, after: int = 0) -> Sequence[tuple[int, Name]]:
        """Of this kind, some of those that something was found for, each with the number that the next ones come after."""
        return await self._resolving.table.names_of(kind, after=after)

    async def found(self, name: Name) -> PictureId | None:
        """The picture that was found for it the last time, stored or not."""
        known = await self._resolving.table.of_name(name)
        return known.picture if known else None

    def wait(
        self, *, name: Name | None = None, picture: PictureId | None = None
    ) -> AbstractAsyncContextManager[Waiter]:
        """Somebody who hears what becomes of one of them: to be entered before it is asked for."""
        return self._resolving.waiting.seat(name=name, picture=picture)

    def endpoints(
        self,
        urls: PictureUrls,
        rules: HostRules,
        paths: PublicPaths,
        *,
        size_of: Callable[[PictureId], Awaitable[int]],
    ) -> list[Endpoint]:
        """`size_of`: the bytes that a picture takes on the disk, as far as known."""
        image_url = self.providers.settings.of(TmdbSettings).image_url
        return [
            *api.provider_endpoints(self.providers),
            *api.book_endpoints(self.books, urls),
            *api.TmdbApi(self.metadata.tmdb, urls, paths, image_url=image_url).endpoints,
            *api.picture_endpoints(
                self._resolving, urls, rules, paths, size_of=size_of, tmdb_image_url=image_url
            ),
        ]


@asynccontextmanager
async def open_finder(
    settings: FinderSettings,
    ground: Ground,
    *,
    evicted: Evicted,
    also_from: Sequence[SourcesElsewhere],
    paths: PublicPaths,
) -> AsyncIterator[Finder]:
    """`evicted` says where a picture came from that is not on the volume any more, `also_from` where others know one from."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        providers = await enter(
            open_providers(
                settings.providers,
                database=ground.database,
                metrics=ground.metrics,
                background=ground.background,
            )
        )
        metadata = await enter(
            open_metadata(
                settings.metadata, providers, database=ground.database, background=ground.background
            )
        )
        books = await enter(api.open_books(settings.metadata, providers))
        artwork = await enter(open_artwork(settings.artwork, settings.metadata, providers, metadata))
        resolving = await enter(
            open_resolving(
                settings.resolving, ground, artwork, evicted=evicted, also_from=also_from, paths=paths
            )
        )
        yield Finder(metadata, providers, artwork.casts, books, settings, resolving)
