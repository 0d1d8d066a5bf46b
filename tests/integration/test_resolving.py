"""Names and evicted pictures, from the job to what the fetcher is asked for."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.enricher.finder.artwork.artwork import Artwork, Finding
from services.enricher.finder.artwork.source import Subject
from services.enricher.finder.metadata import MetadataSettings
from services.enricher.finder.resolving.opening import ResolvingSettings
from shared.contracts import (
    Envelope,
    FetchPicture,
    JobsUnwaited,
    NameRefused,
    PictureFailed,
    RefuseName,
    ResolvePicture,
)
from shared.pictures import Failure, FailureClass, Name, Rendition, Role, SourceUrl, picture_id
from shared.queue import Lane
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers.behaviour import Behaviour
from tests.providers.tmdb import TmdbHost
from tests.providers.tvdb import SERIES_FROM, TvdbHost

POSTER = Name.parse("movie/tvdb:7/poster")
W342 = Rendition.parse("w342.webp")
SMALL = Rendition.parse("small.webp")
TVDB_POSTER = "https://artworks.thetvdb.com/banners/v4/500700.jpg"
ARTWORK = "/api/v1/images/artwork"


@pytest.fixture
async def tvdb() -> AsyncIterator[TvdbHost]:
    async with TvdbHost.running() as host:
        yield host


def asked_without_logins(host: TvdbHost) -> int:
    return host.total - host.counts["/v4/login"]


async def resolve(
    enricher: RunningEnricher,
    name: Name = POSTER,
    rendition: Rendition = W342,
    lane: Lane = Lane.RESOLVE_NOW,
) -> None:
    await enricher.publish(ResolvePicture(name=name, rendition=rendition), lane)


async def fetches(enricher: RunningEnricher, count: int) -> list[FetchPicture]:
    await until(lambda: len(enricher.queue.jobs(FetchPicture)) >= count)
    return enricher.queue.jobs(FetchPicture)


def published(enricher: RunningEnricher, kind: type) -> list[tuple[Lane, Any]]:
    return [(lane, one.payload) for lane, one in enricher.queue.published if isinstance(one.payload, kind)]


def urgent(enricher: RunningEnricher) -> list[FetchPicture]:
    """Without what the sweep, which finds names due as well, has fetched behind them."""
    return [job for lane, job in published(enricher, FetchPicture) if lane is Lane.PICTURES_NOW]


def known_posters(directory: Path) -> int:
    with sqlite3.connect(directory / "state" / "enricher.sqlite") as database:
        return int(database.execute("SELECT count(poster_picture) FROM media_items").fetchone()[0])


def refreshed_often(directory: Path, tvdb: TvdbHost) -> AbstractAsyncContextManager[RunningEnricher]:
    often = ResolvingSettings(refresh_s=1)
    return running_enricher(directory, tvdb=tvdb, resolving=often, metadata=MetadataSettings(ttl_s=1))


@pytest.mark.parametrize(
    ("lane", "into"),
    [(Lane.RESOLVE_NOW, Lane.PICTURES_NOW), (Lane.RESOLVE_LATER, Lane.PICTURES_LATER)],
)
async def test_a_name_becomes_a_fetch_in_the_lane_of_its_urgency(
    tmp_path: Path, tvdb: TvdbHost, lane: Lane, into: Lane
) -> None:
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        await resolve(enricher, lane=lane)
        await fetches(enricher, 1)
        [(where, job)] = published(enricher, FetchPicture)
    assert where is into
    assert (str(job.source_url), job.rendition, job.name) == (TVDB_POSTER, W342, POSTER)


async def test_a_name_is_looked_for_once_however_many_ask_and_also_after_a_restart(
    tmp_path: Path, tvdb: TvdbHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    tvdb.latency_s = 0.1
    finds: list[Subject] = []
    find = Artwork.find

    async def counted(self: Artwork, subject: Subject, role: Role, **given: Any) -> Finding:
        finds.append(subject)
        return await find(self, subject, role, **given)

    monkeypatch.setattr(Artwork, "find", counted)
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        for rendition in (W342, SMALL, W342) * 10:
            await resolve(enricher, rendition=rendition)
        jobs = await fetches(enricher, 30)
        assert {str(job.source_url) for job in jobs} == {TVDB_POSTER}
        assert {job.rendition for job in jobs} == {W342, SMALL}
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        await resolve(enricher)
        await fetches(enricher, 1)
    assert (asked_without_logins(tvdb), len(finds)) == (1, 1)


async def test_what_was_found_is_shown_as_artwork_with_every_size(tmp_path: Path, tvdb: TvdbHost) -> None:
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        await resolve(enricher)
        await fetches(enricher, 1)
        shown = (await enricher.get(f"{ARTWORK}/1")).json
        assert (await enricher.get(f"{ARTWORK}/2")).status == 404
    assert (shown["kind"], shown["content_id"], shown["role"]) == ("movie", "tvdb:7", "poster")
    assert (shown["source_url"], shown["picture_id"]) == (TVDB_POSTER, picture_id(TVDB_POSTER))
    assert (shown["provider"], shown["language"], shown["width"]) == ("tvdb", "en", 680)
    assert (shown["local_image_url"], shown["storage_path"]) == (None, None)
    assert shown["sizes"]["medium"]["url"] == "/api/v1/images/movie/tvdb:7/poster/medium"
    assert {"original", "large", "medium", "small", "thumbnail", "w342"} <= set(shown["sizes"])


async def test_a_name_that_nobody_has_is_refused_with_an_end(tmp_path: Path, tvdb: TvdbHost) -> None:
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        await resolve(enricher, Name.parse("movie/tvdb:1000/poster"))
        await until(lambda: enricher.queue.jobs(RefuseName))
        [(lane, job)] = published(enricher, RefuseName)
    assert lane is Lane.PICTURES_NOW
    assert job.failure.failure_class is FailureClass.GONE
    assert timedelta(minutes=59) < job.failure.retry_at - datetime.now(UTC) <= timedelta(hours=1)


@pytest.mark.parametrize("name", ["streamer/x/profile", "movie/nonsense/poster", "movie/tvdb:7/logo"])
async def test_a_name_that_no_provider_can_be_asked_with_is_gone_without_asking(
    tmp_path: Path, tvdb: TvdbHost, name: str
) -> None:
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        await resolve(enricher, Name.parse(name))
        await until(lambda: enricher.queue.jobs(RefuseName))
        [job] = enricher.queue.jobs(RefuseName)
    assert job.failure.failure_class is FailureClass.GONE
    assert "Lack" not in job.failure.reason


async def test_a_refusal_that_is_remembered_is_said_again_without_asking(
    tmp_path: Path, tvdb: TvdbHost
) -> None:
    failure = Failure.after(None, FailureClass.GONE, "There is none.", now=datetime.now(UTC))
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher, enricher.heard() as events:
        await enricher.volume.names.refuse(POSTER, failure)
        await resolve(enricher)
        await until(lambda: events)
        assert events == [NameRefused(name=POSTER, failure=failure)]
        assert (tvdb.total, enricher.queue.jobs(RefuseName)) == (0, [])


async def test_with_tvdb_down_the_next_provider_is_taken(
    tmp_path: Path, tvdb: TvdbHost, tmdb: TmdbHost
) -> None:
    tvdb.behave(Behaviour(status=500))
    async with running_enricher(tmp_path, tvdb=tvdb, tmdb=tmdb) as enricher:
        await resolve(enricher, Name.parse("movie/tmdb:7/poster"))
        [job] = await fetches(enricher, 1)
    assert str(job.source_url) == "https://image.tmdb.org/t/p/original/poster7en.jpg"


async def test_with_all_providers_down_the_failure_has_its_class_and_an_end(
    tmp_path: Path, tvdb: TvdbHost, tmdb: TmdbHost
) -> None:
    tvdb.behave(Behaviour(status=500))
    tmdb.behave(Behaviour(status=500))
    async with running_enricher(tmp_path, tvdb=tvdb, tmdb=tmdb) as enricher:
        await resolve(enricher)
        await until(lambda: enricher.queue.jobs(RefuseName))
        [job] = enricher.queue.jobs(RefuseName)
    assert job.failure.failure_class is FailureClass.UPSTREAM
    assert timedelta(0) < job.failure.retry_at - job.failure.at <= timedelta(hours=1)


async def test_with_a_refused_key_who_waits_is_told_and_nothing_is_remembered(
    tmp_path: Path, tvdb: TvdbHost
) -> None:
    async with running_enricher(tmp_path, tvdb=tvdb, tvdb_key="wrong") as enricher:
        async with enricher.heard() as events:
            await resolve(enricher)
            await until(lambda: events)
        [event] = events
        assert isinstance(event, NameRefused)
        assert (event.name, event.failure.failure_class) == (POSTER, FailureClass.REFUSED)
        assert enricher.queue.jobs(RefuseName) == []
        assert await enricher.volume.names.failure(POSTER) is None
        assert (await enricher.get(f"{ARTWORK}/1")).status == 404


async def test_an_evicted_picture_is_fetched_from_where_a_name_or_an_item_has_it(
    tmp_path: Path, tvdb: TvdbHost
) -> None:
    poster = "https://walter-r2.trakt.tv/images/movies/1/posters/thumb/x.jpg.webp"
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        await enricher.add(1, poster_url=poster)
        await resolve(enricher)
        await fetches(enricher, 1)
        for url in (TVDB_POSTER, poster):
            job = ResolvePicture(picture=picture_id(url), rendition=SMALL)
            await enricher.publish(job, Lane.RESOLVE_NOW)
        jobs = await fetches(enricher, 3)
    assert {str(job.source_url) for job in jobs[1:]} == {TVDB_POSTER, poster}
    assert {(job.rendition, job.name) for job in jobs[1:]} == {(SMALL, None)}


async def test_a_poster_that_a_page_found_is_known_by_its_picture(tmp_path: Path, tmdb: TmdbHost) -> None:
    async with running_enricher(tmp_path, tmdb=tmdb) as enricher:
        await enricher.add(1)
        await enricher.get("/api/items/enriched")
        [found] = await fetches(enricher, 1)
        await until(lambda: known_posters(tmp_path))
        job = ResolvePicture(picture=found.source_url.picture, rendition=SMALL)
        await enricher.publish(job, Lane.RESOLVE_NOW)
        jobs = await fetches(enricher, 2)
    assert jobs[1].source_url == found.source_url


async def test_an_unknown_picture_is_gone_for_who_waits_and_nothing_is_stored(tmp_path: Path) -> None:
    unknown = picture_id("https://image.tmdb.org/nobody-knows.jpg")
    async with running_enricher(tmp_path) as enricher, enricher.heard() as events:
        await enricher.publish(ResolvePicture(picture=unknown, rendition=SMALL), Lane.RESOLVE_NOW)
        await until(lambda: events)
        [event] = events
        assert isinstance(event, PictureFailed)
        assert (event.picture, event.failure.failure_class) == (unknown, FailureClass.GONE)
        assert len(enricher.queue.published) == 1
        assert (await enricher.volume.pictures.state(unknown)).failures == {}


async def test_what_cannot_be_queued_is_resolved_again(tmp_path: Path, tvdb: TvdbHost) -> None:
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        gate = tvdb.hold()
        await resolve(enricher)
        await until(lambda: tvdb.total)
        enricher.queue.down = True
        gate.open()
        await until(lambda: asked_without_logins(tvdb))
        await asyncio.sleep(0.1)
        enricher.queue.down = False
        [job] = await fetches(enricher, 1)
    assert str(job.source_url) == TVDB_POSTER


async def test_a_picture_chosen_anew_upstream_is_what_the_name_points_at_within_one_refresh(
    tmp_path: Path, tvdb: TvdbHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A series that was merged into another one."""
    monkeypatch.setattr("services.enricher.finder.resolving.opening.SWEEP_EVERY_S", 0.05)
    name = Name.parse(f"series/tvdb:{SERIES_FROM + 7}/poster")
    async with refreshed_often(tmp_path, tvdb) as enricher:
        await resolve(enricher, name)
        [first] = await fetches(enricher, 1)
        await enricher.volume.names.point(name, first.source_url.picture)
        tvdb.merged[SERIES_FROM + 7] = SERIES_FROM + 8
        jobs = await fetches(enricher, 2)
        shown = (await enricher.get(f"{ARTWORK}/1")).json
    assert [str(job.source_url) for job in jobs[:2]] == [
        "https://artworks.thetvdb.com/banners/v4/100700.jpg",
        "https://artworks.thetvdb.com/banners/v4/100800.jpg",
    ]
    assert (jobs[1].name, published(enricher, FetchPicture)[1][0]) == (name, Lane.PICTURES_LATER)
    assert shown["source_url"] == str(jobs[1].source_url)


async def test_a_refresh_that_finds_nothing_better_fetches_nothing_and_one_that_fails_costs_nothing(
    tmp_path: Path, tvdb: TvdbHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.enricher.finder.resolving.opening.SWEEP_EVERY_S", 0.05)
    async with refreshed_often(tmp_path, tvdb) as enricher:
        await resolve(enricher)
        await fetches(enricher, 1)
        await enricher.volume.names.point(POSTER, SourceUrl.parse(TVDB_POSTER).picture)
        await until(lambda: asked_without_logins(tvdb) >= 2)
        tvdb.behave(Behaviour(status=500))
        await until(lambda: asked_without_logins(tvdb) >= 3)
        shown = (await enricher.get(f"{ARTWORK}/1")).json
        assert len(enricher.queue.jobs(FetchPicture)) == 1
        await resolve(enricher)
        jobs = await fetches(enricher, 2)
    assert shown["source_url"] == str(jobs[1].source_url) == TVDB_POSTER
    assert enricher.queue.jobs(RefuseName) == []


async def test_what_was_found_before_is_shown_while_nobody_can_be_asked(
    tmp_path: Path, tvdb: TvdbHost
) -> None:
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        await resolve(enricher)
        await fetches(enricher, 1)
    with sqlite3.connect(tmp_path / "state" / "enricher.sqlite") as database:
        database.execute("UPDATE artwork SET refresh_at = '2026-01-01 00:00:00.000000'")
    tvdb.behave(Behaviour(status=500))
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        await resolve(enricher)
        await until(lambda: urgent(enricher))
        [job] = urgent(enricher)
        shown = (await enricher.get(f"{ARTWORK}/1")).json
        assert enricher.queue.jobs(RefuseName) == []
    assert (str(job.source_url), shown["source_url"]) == (TVDB_POSTER, TVDB_POSTER)
    assert datetime.fromisoformat(shown["refresh_at"]) > datetime.now(UTC)


async def test_what_is_fetched_for_a_name_is_known_by_the_job_that_asked_for_it(
    tmp_path: Path, tvdb: TvdbHost
) -> None:
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher:
        await resolve(enricher)
        await fetches(enricher, 1)
        ids = {
            type(envelope.payload): (envelope.id, envelope.follows)
            for _, envelope in enricher.queue.published
        }
        assert ids[FetchPicture][1] == ids[ResolvePicture][0]


@pytest.mark.parametrize("why", ["told", "old"])
async def test_a_name_that_nobody_waits_for_is_looked_for_behind_those_that_somebody_waits_for(
    tmp_path: Path, tvdb: TvdbHost, why: str
) -> None:
    age = timedelta(minutes=2) if why == "old" else timedelta()
    job = ResolvePicture(name=POSTER, rendition=W342)
    asked = Envelope.of(job, trace_id="a-test", now=datetime.now(UTC) - age)
    async with running_enricher(tmp_path, tvdb=tvdb) as enricher, enricher.heard() as events:
        if why == "told":
            await enricher.announce(JobsUnwaited(jobs=(asked.id,)))
            await until(lambda: events)
        await enricher.queue.publish(asked, Lane.RESOLVE_NOW)
        [found] = await fetches(enricher, 1)
        lanes = [lane for lane, one in enricher.queue.published if one.id == asked.id]
        where = [lane for lane, _ in published(enricher, FetchPicture)]
    assert (str(found.source_url), lanes, where) == (
        TVDB_POSTER,
        [Lane.RESOLVE_NOW, Lane.RESOLVE_LATER],
        [Lane.PICTURES_LATER],
    )
