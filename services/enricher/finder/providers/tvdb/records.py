"""What TVDB said, in memory: records by their ids, those that were merged under their old ids too."""

from collections.abc import Callable
from datetime import datetime

from services.enricher.finder.artwork.source import Asking, Records
from services.enricher.finder.artwork.subject import Subject
from services.enricher.finder.metadata.outcomes import Found, NotFound, Outcome
from services.enricher.finder.providers.tvdb import (
    Tvdb,
    TvdbEntity,
    TvdbEpisode,
    TvdbFound,
    TvdbMerges,
    TvdbPerson,
    TvdbSeason,
    TvdbTitle,
)


class TvdbRecords:
    def __init__(self, tvdb: Tvdb, records: Records, now: Callable[[], datetime]) -> None:
        self._tvdb = tvdb
        self._records = records
        self._now = now

    async def title(self, entity: TvdbEntity, id_: int, asking: Asking) -> Outcome[TvdbTitle]:
        """What it was merged into, where it is gone."""
        outcome = await self._as_numbered(entity, id_, asking)
        if not isinstance(outcome, NotFound):
            return outcome
        merges = await self._records.get(
            f"tvdb:merges:{entity}",
            TvdbMerges,
            lambda turn: self._tvdb.merges(entity, self._now(), turn),
            asking,
        )
        if not isinstance(merges, Found):
            return merges
        after = merges.value.follow(id_)
        return await self._as_numbered(entity, after, asking) if after else outcome

    async def season(self, id_: int, asking: Asking) -> Outcome[TvdbSeason]:
        return await self._records.get(
            f"tvdb:season:{id_}", TvdbSeason, lambda turn: self._tvdb.season(id_, turn), asking
        )

    async def episode(self, subject: Subject, asking: Asking) -> Outcome[TvdbEpisode]:
        id_, season, episode = subject.ids.tvdb or 0, subject.season, subject.episode
        if season is None or episode is None:
            return await self._records.get(
                f"tvdb:episode:{id_}", TvdbEpisode, lambda turn: self._tvdb.episode(id_, turn), asking
            )
        return await self._records.get(
            f"tvdb:series:{id_}:{season}:{episode}",
            TvdbEpisode,
            lambda turn: self._tvdb.episode_of(id_, season, episode, turn),
            asking,
        )

    async def person(self, id_: int, asking: Asking) -> Outcome[TvdbPerson]:
        return await self._records.get(
            f"tvdb:person:{id_}", TvdbPerson, lambda turn: self._tvdb.person(id_, turn), asking
        )

    async def found(self, remote_id: str, asking: Asking) -> Outcome[TvdbFound]:
        return await self._records.get(
            f"tvdb:remote:{remote_id}", TvdbFound, lambda turn: self._tvdb.find(remote_id, turn), asking
        )

    async def _as_numbered(self, entity: TvdbEntity, id_: int, asking: Asking) -> Outcome[TvdbTitle]:
        return await self._records.get(
            f"tvdb:{entity}:{id_}", TvdbTitle, lambda turn: self._tvdb.title(entity, id_, turn), asking
        )
