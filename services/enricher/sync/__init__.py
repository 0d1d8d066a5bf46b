"""Syncing: pictures that titles lack are found and fetched, and each is accounted for; as tasks.

Each begins by looking at what is there and what failed lately: begun again, it goes on where it was, and only tries what
is due.
"""

from services.enricher.sync.missing import SyncMissing
from services.enricher.sync.opening import sync_works, syncing_pictures
from services.enricher.sync.roles import ROLES
from services.enricher.sync.title import SyncTitle
from services.enricher.sync.warming import Warm

__all__ = ["ROLES", "SyncMissing", "SyncTitle", "Warm", "sync_works", "syncing_pictures"]
