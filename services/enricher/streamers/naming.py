"""What is called how: categories in file names and slugs, and the names of pictures of streamers, categories and streams."""

import json
import re
import unicodedata
from collections.abc import Collection
from datetime import datetime

from shared.pictures import Kind, Name, Role
from shared.pictures.name import LONGEST_FILE_BYTES, file_id

TWITCHS = "tw:"
"""Before an id that is Twitch's, and not ours."""

_ROOM_FOR_SUFFIX = 12
LONGEST_SHOWN = 60
_REPLACED = re.compile(r'[<>:"/\\|?*\s\x00-\x1f\x7f]|_')
_RUN = re.compile(r"_+")
_NOT_OF_SLUGS = re.compile(r"[^a-z0-9]+")
_APOSTROPHES = re.compile("['\u2019\u02bc`]")
_ONLY_DOTS = re.compile(r"[._\s]*")


def file_name_of(category: str) -> str:
    """As its picture's file is called, without the extension: what a file system may not have becomes "_", once, and none of it
    stands at an end; all in lower case. Everything else stays, whatever its script.

    Raise ValueError, with a sentence for the user, for a name that could lead out of a folder, and for none.
    """
    parts = re.split(r"[/\\]", category.strip())
    if category.strip().startswith(("/", "\\")) or {".", ".."} & {part.strip() for part in parts}:
        raise ValueError(f"A category's name is no path: {_shown(category)}.")
    if _ONLY_DOTS.fullmatch(category):
        raise ValueError(f"A category has a name, and more than dots in it: {_shown(category)} has not.")
    named = _RUN.sub("_", _REPLACED.sub("_", unicodedata.normalize("NFC", category))).strip("_").lower()
    cut = _cut(unicodedata.normalize("NFC", named), LONGEST_FILE_BYTES - _ROOM_FOR_SUFFIX).strip("_")
    if not cut:
        raise ValueError(f"A category has a name that a file can have: {_shown(category)} has none.")
    file_id(cut)
    return cut


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")


def slug_of(category: str) -> str:
    """The same in plain ASCII, which needs no escapes anywhere: empty where nothing of it can be said so."""
    decomposed = unicodedata.normalize("NFKD", _APOSTROPHES.sub("", category).casefold())
    plain = decomposed.encode("ascii", "ignore").decode().lower()
    return _NOT_OF_SLUGS.sub("_", plain).strip("_")[: 100 - _ROOM_FOR_SUFFIX]


def unlike(wanted: str, taken: Collection[str]) -> str:
    """The same, or with the first suffix that nobody has."""
    suffixed, number = wanted, 1
    while suffixed in taken:
        number += 1
        suffixed = f"{wanted}_{number}"
    return suffixed


def profile_of(id_: int | str) -> Name:
    """By our number, or by Twitch's id as `twitchs` has it."""
    return Name(Kind.STREAMER, str(id_), Role.PROFILE)


def banner_of(id_: int | str) -> Name:
    return Name(Kind.STREAMER, str(id_), Role.BANNER)


def cover_of(id_: str) -> Name:
    """By a slug, by what `file_id` makes of a file name, or by Twitch's id."""
    return Name(Kind.CATEGORY, id_, Role.COVER)


def artwork_of(id_: int | str) -> Name:
    return Name(Kind.STREAM, str(id_), Role.ARTWORK)


def thumbnail_of(stream: int, taken_at: datetime) -> Name:
    """What a live stream looked like then."""
    return Name(Kind.STREAM, f"{stream}:{moment_of(taken_at)}", Role.THUMBNAIL)


def moment_of(taken_at: datetime) -> int:
    """In milliseconds since 1970."""
    return round(taken_at.timestamp() * 1000)


def twitchs(id_: str) -> str:
    return TWITCHS + id_


def artwork_folder(streamer: int) -> str:
    return f"profile_avatar_{streamer}"


_CHANNEL = re.compile(
    r"(?:https?://)?(?:"
    r"(?:(?:www|m)\.)?twitch\.tv/(?:(?:popout|embed|moderator)/)?|dashboard\.twitch\.tv/(?:popout/)?u/|player\.twitch\.tv/\?(?:.*&)?channel="
    r")([A-Za-z0-9_]{1,50})(?:[/?#&].*)?",
    re.ASCII | re.IGNORECASE,
)
_NO_CHANNEL = re.compile(
    "activate|clips?|collections|communities|directory|downloads|drops|embed|event|friends|inventory|jobs|login|messages|moderator|p|"
    "payments|popout|prime|products|redeem|search|settings|signup|store|subscriptions|team|turbo|user?|videos|wallet",
    re.IGNORECASE,
)
"""What stands first in the paths of Twitch's other pages."""

_LOGIN = re.compile(r"@?([A-Za-z0-9_]{1,50})", re.ASCII)
_TWITCH_ID = re.compile(r"tw:([0-9]{1,20})", re.ASCII)


def login_in(text: str) -> str:
    """Of a login, or of a channel's URL. Raise ValueError, with a sentence for the user, for anything else."""
    channel, login = _CHANNEL.fullmatch(text.strip()), _LOGIN.fullmatch(text.strip())
    if found := login or (channel if channel and not _NO_CHANNEL.fullmatch(channel[1]) else None):
        return found[1].lower()
    raise ValueError(
        f"A streamer is named by a login, or by https://www.twitch.tv/… with it: {_shown(text)} is neither."
    )


def _shown(text: str) -> str:
    """What somebody wrote, in a sentence."""
    return json.dumps(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…", ensure_ascii=False)


def twitch_id_in(text: str) -> str | None:
    found = _TWITCH_ID.fullmatch(text)
    return found[1] if found else None


_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)


def number_in(text: str) -> str:
    """Twitch's id, with or without `tw:` before it. Raise ValueError, with a sentence for the user, for anything else."""
    number = text.removeprefix(TWITCHS)
    if not _NUMBER.fullmatch(number):
        raise ValueError(f"Twitch's ids are numbers: {_shown(text)} is none.")
    return number.lstrip("0") or "0"
