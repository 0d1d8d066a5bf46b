"""A stand-in for TVDB: its login, tokens, envelopes and errors, and movies, series and persons 1 to 999.

Movie n has the TMDB id n and the IMDb id that Trakt's stand-in says, as series n has; series n is TVDB's number
80000 + n, movie n TVDB's number n. Series n has the seasons 10 n + 1 and 10 n + 2, with two episodes each.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from tests.providers.metadata_host import MetadataHost, Said, Window
from tests.providers.trakt import TITLES, imdb_id

API_KEY = "the-tvdb-key"
PIN = "the-pin"
SERIES_FROM = 80_000

_UNAUTHORIZED = Said({"status": "failure", "message": "Unauthorized", "data": None}, 401)
_NOT_FOUND = Said({"status": "failure", "message": "NotFoundException: not found", "data": None}, 404)
_RECORD = re.compile(r"/v4/(series|movies|seasons|episodes|people)/(\d+)/extended")
_EPISODES = re.compile(r"/v4/series/(\d+)/episodes/official")
_REMOTE = re.compile(r"/v4/search/remoteid/([^/]+)")


def artwork(id_: int, type_: int, **values: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "image": f"https://artworks.thetvdb.com/banners/v4/{id_}.jpg",
        "thumbnail": f"https://artworks.thetvdb.com/banners/v4/{id_}_t.jpg",
        "language": "eng",
        "type": type_,
        "score": 100_000,
        "width": 680,
        "height": 1000,
        "includesText": True,
        **values,
    }


def _remote_ids(number: int, *, show: bool = False) -> list[dict[str, Any]]:
    return [
        {"id": imdb_id(number, show=show), "type": 2, "sourceName": "IMDB"},
        {"id": str(number), "type": 12 if show else 10, "sourceName": "TheMovieDB.com"},
        {"id": "https://example.org", "type": 4, "sourceName": "Official Website"},
    ]


def series(number: int) -> dict[str, Any]:
    first = 100_000 + 100 * number
    return {
        "id": SERIES_FROM + number,
        "name": f"The show {number}",
        "image": f"https://artworks.thetvdb.com/banners/v4/{first}.jpg",
        "artworks": [
            artwork(first, 2),
            artwork(first + 1, 2, language="deu", score=50),
            artwork(first + 2, 3, language=None, includesText=False, width=1920, height=1080),
            artwork(first + 3, 1, image=f"/banners/v4/{first + 3}.jpg"),
            artwork(first + 4, 7, seasonId=10 * number + 1),
        ],
        "remoteIds": _remote_ids(number, show=True),
        "seasons": [
            {"id": 900_000 + number, "number": 1, "type": {"type": "dvd"}},
            {"id": 10 * number + 1, "number": 1, "type": {"type": "official"}},
            {"id": 10 * number + 2, "number": 2, "type": {"type": "official"}},
        ],
    }


def movie(number: int) -> dict[str, Any]:
    first = 500_000 + 100 * number
    return {
        "id": number,
        "name": f"The movie {number}",
        "image": f"https://artworks.thetvdb.com/banners/v4/{first}.jpg",
        "artworks": [artwork(first, 14), artwork(first + 1, 15, language=None, includesText=False)],
        "remoteIds": _remote_ids(number),
    }


def season(id_: int) -> dict[str, Any]:
    return {
        "id": id_,
        "number": id_ % 10,
        "seriesId": SERIES_FROM + id_ // 10,
        "image": f"/banners/seasons/{id_}.jpg",
        "artwork": [artwork(700_000 + id_, 7)],
    }


def episode(id_: int) -> dict[str, Any]:
    season_id, number = divmod(id_, 10)
    return {
        "id": id_,
        "number": number,
        "seasonNumber": season_id % 10,
        "seriesId": SERIES_FROM + season_id // 10,
        "image": f"/banners/episodes/{id_}.jpg",
        "imageType": 11,
    }


def person(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Person {number}",
        "image": f"/banners/person/{number}/face.jpg",
        "remoteIds": [{"id": f"nm{number:07}", "type": 2, "sourceName": "IMDB"}],
    }


class TvdbHost(MetadataHost):
    """`tokens` that were given and count; `logins` however they ended."""

    def __init__(self, *, requests: int = 200, period_s: float = 1, pin: str | None = None) -> None:
        super().__init__(Window(requests, period_s))
        self.pin = pin
        self.tokens: set[str] = set()
        self.logins: Counter[bool] = Counter()
        """Let in, or not."""
        self.merged: dict[int, int] = {}
        """Series that are gone, and which to use instead."""

    @property
    def base_url(self) -> str:
        return f"{self.root}/v4"

    def expire(self) -> None:
        """No token that was given counts any more."""
        self.tokens.clear()

    def posted(self, path: str, body: Any) -> Said:
        if path != "/v4/login":
            return _NOT_FOUND
        let_in = body == {"apikey": API_KEY, **({"pin": self.pin} if self.pin else {})}
        self.logins[let_in] += 1
        if not let_in:
            return Said({"status": "failure", "message": "InvalidAPIKey", "data": None}, 401)
        token = f"token-{self.logins[True]}"
        self.tokens.add(token)
        return _success({"token": token})

    def refusal(self, request: web.Request) -> Said | None:
        if request.method == "POST":
            return None
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return None if token in self.tokens else _UNAUTHORIZED

    def has(self, request: web.Request) -> Said:
        if found := _RECORD.fullmatch(request.path):
            return self._record(found[1], int(found[2]))
        if found := _EPISODES.fullmatch(request.path):
            return self._episodes(int(found[1]), request)
        if found := _REMOTE.fullmatch(request.path):
            return _success(_with_remote_id(found[1]) or None)
        if request.path == "/v4/search":
            return _success(list(_called(request.query["query"], request.query["type"])))
        if request.path == "/v4/updates":
            return self._updates(request)
        return _NOT_FOUND

    def too_many(self, reset_s: float) -> Said:
        return Said({"status": "failure", "message": "Too Many Attempts."}, 429)

    def _record(self, kind: str, id_: int) -> Said:
        kinds = {
            "series": (series, id_ - SERIES_FROM),
            "movies": (movie, id_),
            "seasons": (season, id_),
            "episodes": (episode, id_),
            "people": (person, id_),
        }
        described, number = kinds[kind]
        known = number in TITLES if kind in {"series", "movies", "people"} else number > 10
        gone = kind == "series" and id_ in self.merged
        return _success(described(number)) if known and not gone else _NOT_FOUND

    def _episodes(self, id_: int, request: web.Request) -> Said:
        number, asked = id_ - SERIES_FROM, request.query
        if number not in TITLES or id_ in self.merged:
            return _NOT_FOUND
        known = [episode(100 * number + 10 * season + one) for season in (1, 2) for one in (1, 2)]
        wanted = int(asked["season"]), int(asked["episodeNumber"])
        listed = [one for one in known if (one["seasonNumber"], one["number"]) == wanted]
        return _success({"series": {"id": id_}, "episodes": listed})

    def _updates(self, request: web.Request) -> Said:
        """One merge on a page, so that there are several."""
        page = int(request.query["page"])
        merges = list(self.merged.items())
        listed = [
            {"recordId": old, "method": "delete", "mergeToId": new, "mergeToEntityType": "series"}
            for old, new in merges[page : page + 1]
        ]
        further = f"{self.base_url}/updates?page={page + 1}" if page + 1 < len(merges) else None
        return Said({"status": "success", "data": listed, "links": {"next": further}})


def _called(text: str, kind: str) -> Iterator[dict[str, Any]]:
    """A company is among them, and hits whose numbers nobody has room for."""
    described, first = (series, SERIES_FROM) if kind == "series" else (movie, 0)
    yield _hit("company", "7", text, "1999")
    yield _hit(kind, "9" * 5000, "Far", "9" * 5000)
    yield _hit(kind, str(2**31), "Far", "")
    for number in TITLES:
        name = described(number)["name"]
        if name.casefold() == text.casefold():
            yield _hit(kind, str(first + number), f"Original {number}", "1999", english=name)


def _hit(kind: str, tvdb_id: str, name: str, year: str, *, english: str = "") -> dict[str, Any]:
    """As TVDB's search describes it: everything is text."""
    return {
        "objectID": f"{kind}-{tvdb_id}",
        "id": f"{kind}-{tvdb_id}",
        "tvdb_id": tvdb_id,
        "type": kind,
        "name": name,
        "year": year,
        "aliases": ["Another"],
        "translations": {"eng": english} if english else {},
        "overview": f"What TVDB says of {name}.",
        "image_url": "https://artworks.thetvdb.com/banners/images/missing/series.jpg",
    }


def _success(data: Any) -> Said:
    return Said({"status": "success", "data": data})


def _with_remote_id(remote_id: str) -> list[dict[str, Any]]:
    """A number also finds a series of which it is another provider's number: the one after."""
    if remote_id.isdecimal():
        number = int(remote_id)
        ids = [(number + 1, "series"), (number, "series"), (number + 1, "movie"), (number, "movie")]
        return [{kind: {"id": one + SERIES_FROM * (kind == "series")}} for one, kind in ids if one in TITLES]
    found = [{"movie": {"id": number}} for number in TITLES if imdb_id(number) == remote_id]
    found += [
        {"series": {"id": SERIES_FROM + number}}
        for number in TITLES
        if imdb_id(number, show=True) == remote_id
    ]
    return found + [{"people": {"id": number}} for number in TITLES if f"nm{number:07}" == remote_id]
