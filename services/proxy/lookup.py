"""Sight: what the volume says of a picture or of a name, which only says which picture."""

from shared.pictures import Failure, Name, PictureId, Rendition
from shared.telemetry import utc_now
from shared.volume import Names, Pictures, Revision, StoredFile

About = Name | PictureId


class Lookup:
    def __init__(self, pictures: Pictures, names: Names) -> None:
        self._pictures = pictures
        self._names = names

    async def picture(self, about: About) -> PictureId | None:
        """None for a name that points nowhere. There may be nothing where it points."""
        return await self._names.picture(about) if isinstance(about, Name) else about

    async def find(self, about: About, renditions: tuple[Rendition, ...]) -> StoredFile | None:
        picture = await self.picture(about)
        return await self._pictures.find(picture, renditions) if picture else None

    async def current(self, about: About) -> Revision | None:
        picture = await self.picture(about)
        return await self._pictures.current(picture) if picture else None

    async def failure(self, about: About, rendition: Rendition) -> Failure | None:
        """The failure for which nothing is queued. What is stored is blocked by its rendition's failure alone."""
        if isinstance(about, Name) and not await self.current(about):
            failure = await self._names.failure(about)
            return failure if failure and not failure.is_over(utc_now()) else None
        picture = await self.picture(about)
        state = await self._pictures.state(picture) if picture else None
        if not (state and state.failures):
            return None
        stored = await self.current(about) is not None
        return state.blocking(rendition, stored=stored, now=utc_now())
