"""What a name says to guessit, which takes some milliseconds of CPU for each."""

import re

from guessit import guessit
from guessit.api import GuessitException

_END_OF_TITLE = re.compile(
    r"(?<=[ ._(\[])(?:(?:19|20)\d\d(?=[ ._)\]]|$)|s\d{1,2}e\d{1,3}|\d{1,2}x\d{2}(?!\d))", re.IGNORECASE
)

_YEAR_FIRST = re.compile(r"(?:19|20)\d\d[ ._]")
"""Then it is not clear which is the title, and everything has to be found."""

_NEVER_OF_USE = ["crc", "uuid", "size", "bit_rate", "audio_bit_rate", "video_bit_rate", "mimetype"]
_OF_USE_WITHOUT_AN_END = [
    "release_group",
    "streaming_service",
    "language",
    "subtitle_language",
    "bonus",
    "bonus_title",
    "film",
    "film_title",
    "disc",
    "cd",
    "cd_count",
    "date",
    "week",
    "episode_details",
    "episode_format",
    "proper_count",
    "audio_channels",
    "audio_profile",
    "video_profile",
    "video_api",
    "color_depth",
]


def guessed(name: str, kind: str) -> tuple[str, int | None] | None:
    """Title and year. `kind` is movie or episode. `name` may have a folder before it, which helps where it is vague."""
    own = name.rpartition("/")[2]
    title_ends = _END_OF_TITLE.search(own) is not None and not _YEAR_FIRST.match(own)
    # Then what may come after it need not be found, nor the folder read: half the time, and half again.
    excludes = _NEVER_OF_USE + (_OF_USE_WITHOUT_AN_END if title_ends else [])
    try:
        found = guessit(
            own if title_ends else name, {"type": kind, "no_user_config": True, "excludes": excludes}
        )
    except GuessitException:
        return None
    title, year = _first(found.get("title")), _first(found.get("year"))
    return (str(title), year if isinstance(year, int) else None) if title else None


def _first(found: object) -> object:
    """What is found more than once is a list: a span of years."""
    return found[0] if isinstance(found, list) and found else found
