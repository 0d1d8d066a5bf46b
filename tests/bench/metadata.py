"""A cold page of fifty titles, against what a single answer of the same provider takes."""

import time
from datetime import timedelta
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from services.enricher.database import DatabaseSettings, open_database
from services.enricher.metadata import (
    Found,
    MetadataSettings,
    ProviderSettings,
    TitleKey,
    TitleKind,
    open_metadata,
)
from services.enricher.providers.opening import open_providers
from services.enricher.providers.settings import TmdbSettings, TraktSettings
from shared.telemetry import Metrics
from tests.bench.report import Figure
from tests.providers.trakt import CLIENT_ID, TraktHost, imdb_id

TITLES = 50
LATENCY_S = 0.2
PROMISE_S = 1.0


async def cold_page(directory: Path) -> Figure:
    keys = [TitleKey(TitleKind.MOVIE, imdb_id=imdb_id(number)) for number in range(1, TITLES + 1)]
    async with TraktHost.running() as host:
        host.latency_s = LATENCY_S
        one_s = await _one_answer(host)
        trakt = TraktSettings(client_id=SecretStr(CLIENT_ID), base_url=host.root)
        providers = ProviderSettings(trakt=trakt, tmdb=TmdbSettings(api_key=None))
        async with (
            open_database(DatabaseSettings(), state_dir=directory) as database,
            open_providers(providers, database=database, metrics=Metrics()) as opened,
            open_metadata(MetadataSettings(), opened, database=database) as metadata,
        ):
            started = time.perf_counter()
            outcomes = await metadata.titles.lookup(keys, within=timedelta(seconds=5))
            took_s = time.perf_counter() - started
    if not all(isinstance(outcome, Found) for outcome in outcomes.values()):
        raise RuntimeError("a title was not found")
    return Figure(
        what=f"metadata of a cold page of {TITLES} titles, provider with {LATENCY_S * 1000:.0f} ms latency",
        ours=f"{took_s:.2f} s",
        reference=f"{one_s:.2f} s for one answer",
        compared=f"{took_s:.2f} s",
        promise=f"≤ {PROMISE_S:.1f} s",
        kept=took_s <= PROMISE_S,
    )


async def _one_answer(host: TraktHost) -> float:
    started = time.perf_counter()
    async with aiohttp.ClientSession() as session, session.get(f"{host.root}/movies/tt0000001") as response:
        await response.read()
    return time.perf_counter() - started
