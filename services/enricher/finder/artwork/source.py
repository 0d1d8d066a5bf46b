"""The ports that a provider of pictures is asked through."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from services.enricher.finder.artwork.candidate import Gallery
from services.enricher.finder.artwork.subject import Ids, Subject, Whose
from services.enricher.finder.metadata import Metadata
from services.enricher.finder.metadata.cache import Cache, CacheRequest
from services.enricher.finder.metadata.outcomes import Outcome, Value
from services.enricher.finder.providers import ProviderSettings, Turn, Urgency
from services.enricher.finder.providers.asking import Provider
from shared.pictures import Kind, Role


@dataclass(frozen=True, slots=True)
class Asking:
    """Until when an answer is wanted, and how urgent it is."""

    until: datetime
    urgency: Urgency = Urgency.NOW


class ArtworkSource(Protocol):
    @property
    def name(self) -> str: ...

    def takes(self, kind: Kind) -> tuple[Whose, ...]:
        """Whose ids of the title it can be asked with; empty where it has nothing of this kind."""

    def knows(self, subject: Subject) -> bool:
        """Whether it can be asked for this as it is named."""

    async def look(self, subject: Subject, role: Role, asking: Asking) -> Outcome[Gallery]:
        """Of a subject that it knows: its pictures in this role."""


@runtime_checkable
class IdSource(Protocol):
    """A provider that knows by what other ids titles go, and where seasons and episodes are."""

    @property
    def name(self) -> str: ...

    async def more(self, title: Subject, asking: Asking) -> Outcome[Ids]:
        """What a title or a person is called besides."""

    async def place(self, part: Subject, asking: Asking) -> Outcome[Subject]:
        """Where a season or an episode, named by an id of its own, is in its series."""


@dataclass(frozen=True, slots=True)
class Records:
    """What one provider said, by what was asked for, in memory for as long as it is `kept`."""

    cache: Cache
    kept: timedelta

    async def get(
        self, key: str, model: type[Value], ask: Callable[[Turn], Awaitable[Value]], asking: Asking
    ) -> Outcome[Value]:
        wanted = CacheRequest(key, model, self.kept, ask)
        return await self.cache.look(wanted, until=asking.until, urgency=asking.urgency)


@dataclass(frozen=True, slots=True)
class ArtworkParts:
    """What a provider's specification may make its source of. `languages`: in which pictures are wanted."""

    provider: Provider
    settings: ProviderSettings
    metadata: Metadata
    records: Records
    languages: Sequence[str]
    now: Callable[[], datetime]
