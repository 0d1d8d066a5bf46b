"""The studio: pictures that are made, edited, searched for and read, and videos, by services that take money.

    studio = await enter(open_studio(settings, ground, finder, uploads, videos=videos))
    characters = await enter(open_characters(settings, ground, finder, generator=studio.generator))
    await enter(studio.working(characters.found))

A job is a row. What it costs is written before it is sent, and nothing is sent twice without a person's word.
"""

from services.enricher.studio.opening import StudioClock, StudioSettings, StudioWing, open_studio
from services.enricher.studio.results import VideoShelf

__all__ = [
    "StudioClock",
    "StudioSettings",
    "StudioWing",
    "VideoShelf",
    "open_studio",
]
