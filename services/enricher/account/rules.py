"""The rules of importing, as values and functions: days, ratings, binges, and how far somebody is with a series."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from enum import IntEnum, StrEnum

BINGE_OVER = 4
"""More episodes of one series than this on one day were not watched that day, but marked then."""

_PLAIN_FORMATS = ("%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")
_MOST_RATING = 10


class MediaKind(StrEnum):
    MOVIE = "movie"
    SERIES = "tv"


class WatchStatus(StrEnum):
    NOT_WATCHED = "not watched"
    WATCHING = "watching"
    WATCHED = "watched"


class PersonalRating(IntEnum):
    WASTE = 1
    MEH = 2
    DECENT = 3
    ENTERTAINING = 4
    OUTSTANDING = 5

    @classmethod
    def of_trakt(cls, rating: int) -> "PersonalRating":
        """Of 1 to 10: each takes two. 0 and below are Waste."""
        return cls(max(1, min(5, -(-rating // 2))))

    @classmethod
    def of_number(cls, number: int) -> "PersonalRating | None":
        """None for what is none of 1 to 5."""
        return cls(number) if number in cls._value2member_map_ else None

    def on_trakt(self, known: int | None) -> int:
        """As Trakt counts; what is known to be its rating there, where that means the same."""
        if known is not None and PersonalRating.of_trakt(known) is self:
            return known
        return min(_MOST_RATING, self * 2)


def moment_of(text: str, zone: tzinfo) -> datetime | None:
    """A moment as Trakt writes it, or others do. None for what is none. A day without a time begins where its user lives."""
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
        if "T" not in text and " " not in text:
            return moment.replace(tzinfo=zone).astimezone(UTC)
        return _utc(moment)
    except (ValueError, OverflowError):
        pass
    for form in _PLAIN_FORMATS:
        try:
            return _utc(datetime.strptime(text, form))  # noqa: DTZ007 - UTC, where nothing is said
        except ValueError:
            continue
    return None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def day_of(moment: datetime | None, zone: tzinfo) -> date | None:
    """The day that it was, where its user lives."""
    return moment.astimezone(zone).date() if moment else None


@dataclass(frozen=True, slots=True)
class Play:
    """Once that something was watched, as Trakt's history has it; of a movie `season` and `episode` are 0."""

    id: int
    watched_at: datetime | None = None
    season: int = 0
    episode: int = 0

    @property
    def of(self) -> tuple[int, int]:
        return self.season, self.episode


def earliest(plays: Iterable[Play]) -> Sequence[Play]:
    """Of each episode one: the earliest, and one without a date only where there is no other."""
    first: dict[tuple[int, int], Play] = {}
    for play in plays:
        known = first.get(play.of)
        if known is None or _order(play) < _order(known):
            first[play.of] = play
    return sorted(first.values(), key=lambda play: play.of)


def _order(play: Play) -> tuple[bool, float, int]:
    return play.watched_at is None, play.watched_at.timestamp() if play.watched_at else 0.0, play.id


def watched_days(
    plays: Sequence[Play], aired: Mapping[tuple[int, int], date], zone: tzinfo
) -> Mapping[int, date | None]:
    """By a play's id the day that counts as its: the binge rule. More than four on a day count for the days they were aired."""
    days = {play.id: day_of(play.watched_at, zone) for play in plays}
    on_day = Counter(day for day in days.values() if day)
    return {
        play.id: aired.get(play.of, day) if (day := days[play.id]) and on_day[day] > BINGE_OVER else day
        for play in plays
    }


def series_status(watched: Iterable[tuple[int, int]], episode_count: int | None) -> WatchStatus:
    """From the episodes that were watched, of so many without specials; None: nobody knows how many there are."""
    seen = set(watched)
    if not seen:
        return WatchStatus.NOT_WATCHED
    regular = sum(season > 0 for season, _ in seen)
    return WatchStatus.WATCHED if episode_count and regular >= episode_count else WatchStatus.WATCHING


@dataclass(frozen=True, slots=True)
class ImportOptions:
    movies: bool = True
    series: bool = True
    ratings: bool = True
    watchlist: bool = True

    @classmethod
    def of(cls, given: object) -> "ImportOptions":
        """As a task's arguments have them."""
        chosen = given if isinstance(given, dict) else {}
        return replace(cls(), **{name: bool(chosen[name]) for name in cls.__slots__ if name in chosen})
