"""What the catalog's sweeps take of a volume on which nothing happens."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.enricher.database.engines import DatabaseSettings, open_database
from services.enricher.keeper.catalog.indexer import WHOLE_WITHIN_S, Sweep
from services.enricher.keeper.catalog.table import CatalogTable
from services.enricher.wings import SHOWN_BY
from shared.telemetry import utc_now
from shared.volume import VolumeSettings, volume_to_keep
from tests.bench.report import Figure

SWEEPS_AN_HOUR = 4
PROMISE = 0.15
_CALLS = ("stat", "lstat", "scandir", "readlink")


async def background(directory: Path, pictures: int) -> list[Figure]:
    """Of pictures that are in the catalog: `directory` is as `catalog` leaves it. Beside it a sweep that looks at all, as
    each of them did before.
    """
    settings = VolumeSettings(volume_url=f"file:{directory}/data", state_directory=directory / "state")
    inventory = volume_to_keep(settings).inventory
    async with open_database(DatabaseSettings(), state_dir=settings.state_dir) as database:
        table = CatalogTable(database, SHOWN_BY)
        wholes = round(len(inventory.shelves) * 3600 / SWEEPS_AN_HOUR / WHOLE_WITHIN_S)
        sweep = Sweep(table, inventory, now=utc_now, wholes=wholes, rest=0.0)
        await sweep.all()
        whole = await _taken(Sweep(table, inventory, now=utc_now, alone=True))
        usual = await _taken(sweep)
    return [
        Figure(
            what=f"{what} an hour, {pictures:,} pictures on which nothing happens",
            ours=f"{SWEEPS_AN_HOUR * ours:,.{digits}f}{unit}",
            reference=f"{SWEEPS_AN_HOUR * theirs:,.{digits}f}{unit} to look at all",
            compared=f"{ours / theirs:.3f} ×",
            promise=f"≤ {PROMISE} ×",
            kept=ours <= PROMISE * theirs,
        )
        for what, unit, digits, ours, theirs in (
            ("looks at the disk", "", 0, usual[0], whole[0]),
            ("CPU of the sweeps", " s", 1, usual[1], whole[1]),
        )
    ]


async def _taken(sweep: Sweep) -> tuple[float, float]:
    """Looks at the disk, and seconds of CPU."""
    with _counted() as looks:
        began = time.process_time()
        await sweep.all()
        return sum(looks), time.process_time() - began


@contextmanager
def _counted() -> Iterator[list[int]]:
    looks: list[int] = []
    really: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in _CALLS}

    def counting(name: str) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            looks.append(1)
            return really[name](*args, **named)

        return call

    for name in _CALLS:
        setattr(os, name, counting(name))
    try:
        yield looks
    finally:
        for name, function in really.items():
            setattr(os, name, function)


if __name__ == "__main__":
    import tempfile

    from tests.bench.catalog import MANY, filled
    from tests.bench.report import report

    with tempfile.TemporaryDirectory(prefix="bench-", dir=".") as name:
        filled(Path(name).absolute())
        report(asyncio.run(background(Path(name).absolute(), MANY)))
