"""What a name says to guessit, which takes some milliseconds of CPU for each name."""

from guessit import guessit  # type: ignore[import-untyped] # as it is
from guessit.api import GuessitException  # type: ignore[import-untyped] # as it is

OPTIONS = {
    "no_user_config": True,
    # What tells nothing of where a title ends.
    "excludes": ["crc", "uuid", "size", "bit_rate", "audio_bit_rate", "video_bit_rate", "mimetype"],
}


def guessed(name: str, kind: str) -> tuple[str, int | None] | None:
    """Title and year. `kind` is movie or episode. `name` may have a folder before it, which helps."""
    try:
        found = guessit(name, {"type": kind, **OPTIONS})
    except GuessitException:
        return None
    title, year = found.get("title"), found.get("year")
    return (str(title), int(year) if year else None) if title else None
