"""Settings of the programs whose job this takes over: those that are not used here are told at the start, with what to set instead."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import structlog
from dotenv import dotenv_values

_LISTS = "Lists are not fetched here: let whoever fetches them POST to /api/library/items with a list_source."
_CELERY = "Jobs go through QUEUE_URL."
_AZURE = (
    "Set VOLUME_URL: file:<directory>, or s3://<bucket> for a store of objects. Uploads are kept there, too."
)

INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        # ListSync
        "AUTOMATED_MODE": _LISTS,
        "IMDB_LISTS": _LISTS,
        "LETTERBOXD_LISTS": _LISTS,
        "MDBLIST_LISTS": _LISTS,
        "STEVENLU_LISTS": _LISTS,
        "SYNC_INTERVAL": _LISTS,
        "TRAKT_LISTS": _LISTS,
        "TRAKT_SPECIAL_LISTS": _LISTS,
        "TRAKT_SPECIAL_ITEMS_LIMIT": _LISTS,
        "DISCORD_WEBHOOK_URL": "Nothing is sent there: listen at /api/events.",
        "OVERSEERR_API_KEY": "Overseerr is not asked: OVERSEERR_URL alone makes items' overseerr_url.",
        "OVERSEERR_USER_ID": "Overseerr is not asked: OVERSEERR_URL alone makes items' overseerr_url.",
        "OVERSEERR_4K": "Overseerr is not asked: OVERSEERR_URL alone makes items' overseerr_url.",
        # The TVDB proxy
        "IMAGE_SYNC_BATCH_SIZE": "Set nothing: a sync takes as many at once as the providers allow.",
        "IMAGE_SYNC_CONCURRENT_DOWNLOADS": "Set HOST_CONCURRENCY, of one host, or FETCH_CONCURRENCY, of all.",
        "IMAGE_SYNC_RETRY_FAILED": "Set nothing: what failed is tried again when it is due.",
        "IMAGE_SYNC_RETRY_AFTER_HOURS": "Set nothing: each class of failure has its own time (ARCHITECTURE.md).",
        "RATE_LIMIT_REQUESTS_PER_MINUTE": "Limit requests in the web server in front; MAX_WAITING bounds who waits.",
        "RATE_LIMIT_BURST": "Limit requests in the web server in front; MAX_WAITING bounds who waits.",
        "REDIS_URL": "Set CACHE_URL, where several enrichers share what providers said; one needs none.",
        "CELERY_BROKER_URL": _CELERY,
        "CELERY_RESULT_BACKEND": _CELERY,
        # SceneXtras
        "AZURE_STORAGE_CONNECTION_STRING_MAIN": _AZURE,
        "AZURE_STORAGE_CONNECTION_STRING_PUBLIC": _AZURE,
        "SUPABASE_KEY": "Set DATABASE_URL.",
        "SUPABASE_URL": "Set DATABASE_URL.",
        # StreamVault
        "ARTWORK_BASE_PATH": "Set EXPORT_DIR: the folder in the recordings that pictures are put into, /recordings/.images.",
        "RECORDING_DIRECTORY": "Set EXPORT_DIR: the folder in it that pictures are put into, /recordings/.images.",
        "EVENTSUB_SECRET": "Set TWITCH_EVENTSUB_SECRET.",
        "WEBHOOK_URL": "Set TWITCH_EVENTSUB_CALLBACK: the whole https URL of /api/twitch/eventsub here.",
    }
)
"""By the names that ListSync, the TVDB proxy, Cinemarco, SceneXtras and StreamVault know. What is used here must not be here."""

_log = structlog.get_logger()


def unused(environment: Mapping[str, str], dotenv: Path = Path(".env")) -> Mapping[str, str]:
    """What to set instead of each that is set in the environment, or in a `.env` file."""
    given = {**(dotenv_values(dotenv) if dotenv.is_file() else {}), **environment}
    return {name: instead for name, instead in INSTEAD.items() if given.get(name)}


def tell_unused() -> None:
    """One line for each, without its value."""
    for name, instead in unused(os.environ).items():
        _log.warning("a setting of another program is not used here", setting=name, instead=instead)
