"""The named steps of a fetch, so that tests can stop or kill a fetcher at each of them.

Those of the commit, between RENDERED and NAME_POINTED, are in `shared.volume.local.commit`.
"""

from enum import StrEnum


class FetchStep(StrEnum):
    TAKEN = "taken"
    LOCKED = "locked"
    CONNECTED = "connected"
    DOWNLOADED = "downloaded"
    RENDERED = "rendered"
    COMMITTED = "committed"
    NAME_POINTED = "name pointed"
    UNLOCKED = "unlocked"
    ANNOUNCED = "announced"
    RECORDED = "recorded"
    REST_QUEUED = "rest queued"


class HealStep(StrEnum):
    """Of healing, before what is missing is fetched or made as it always is."""

    EXAMINED = "examined"
    TAKEN_OUT = "taken out"
