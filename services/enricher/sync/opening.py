"""Syncing, composed: the works of its tasks."""

from collections.abc import Callable, Mapping
from datetime import datetime

from services.enricher.library import Library
from services.enricher.resolving import OpenResolving
from services.enricher.sync.missing import SyncMissing
from services.enricher.sync.syncing import Syncing
from services.enricher.sync.title import SyncTitle
from services.enricher.sync.warming import Warm
from services.enricher.tasks import Work
from shared.telemetry import utc_now
from shared.volume import ReadVolume


def syncing_pictures(
    resolving: OpenResolving, volume: ReadVolume, *, now: Callable[[], datetime] = utc_now
) -> Syncing:
    return Syncing(resolving, volume.names, volume.pictures, now=now)


def sync_works(syncing: Syncing, library: Library) -> Mapping[str, Work]:
    return {
        SyncTitle.KIND: SyncTitle(syncing),
        SyncMissing.KIND: SyncMissing(library, syncing),
        Warm.KIND: Warm(syncing),
    }
