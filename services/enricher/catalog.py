"""Make the catalog anew from the volume alone: `python -m services.enricher.catalog`, while no enricher runs."""

import time

import structlog

from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.keeper.catalog.indexer import Sweep
from services.enricher.keeper.catalog.table import CatalogTable
from services.enricher.wings import SHOWN_BY
from shared.process.start import start
from shared.telemetry import utc_now
from shared.volume import VolumeSettings, volume_to_keep

_log = structlog.get_logger()


async def rebuild(settings: VolumeSettings) -> dict[str, float]:
    """How many pictures it has now, and how many seconds that took. Raise DatabaseRefused while an enricher has the database."""
    inventory = volume_to_keep(settings).inventory
    async with open_database(DatabaseSettings(), state_dir=settings.state_dir, alone=True) as database:
        began = time.monotonic()
        sweep = Sweep(CatalogTable(database, SHOWN_BY), inventory, now=utc_now, alone=True)
        swept = await sweep.rebuild()
        return {"pictures": swept.pictures, "seconds": round(time.monotonic() - began, 1)}


async def main(settings: VolumeSettings) -> None:
    _log.info("catalog made anew", **await rebuild(settings))


if __name__ == "__main__":
    start(main)
