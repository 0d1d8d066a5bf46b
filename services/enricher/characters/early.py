"""What the fast tier has is answered before aiohttp parses the request: to a plain GET, by name and title alone."""

import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from urllib.parse import parse_qsl

from multidict import MultiMapping

from services.enricher.characters.api import BY_NAME, CharacterParameters, wanted_title
from services.enricher.characters.fast_cache import name_key
from services.enricher.characters.matching import REMEMBERED_AT_MOST
from shared.http import Problem
from shared.http.app import Observation
from shared.http.early import Early, EarlyAnswer, Head
from shared.telemetry import Metrics

_BEGINS = f"{BY_NAME}?"
_ASKED = {"name", "movie_title", "media_type", "year"}
_HIT = (("outcome", "hit"),)
_CONDITIONS = ("If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since")

AtHand = Callable[[str], bytes | None]
"""The whole answer of a key, as JSON; None: it is not at hand."""


def answering_early(
    at_hand: AtHand,
    may_read: Callable[[MultiMapping[str]], bool],
    service: str,
    metrics: Metrics,
    before: Early | None = None,
) -> Early:
    """`may_read`: whether who sends these headers may; who may not is told by aiohttp's way. `before`: who else answers so."""
    hits = metrics.character_images.labels("fast")

    def answer(head: Head) -> EarlyAnswer | None:
        if not head.target.startswith(_BEGINS):
            return before.answer(head) if before else None
        if not (head.is_1_1 and head.stays) or any(name in head.headers for name in _CONDITIONS):
            return None
        key = _key_of(head.target)
        body = at_hand(key) if key and may_read(head.headers) else None
        if body is None:
            return None
        observation = Observation(head, BY_NAME, service, metrics)
        hits.inc()
        observation.answered(200, _HIT)
        said = f"{len(body)}\r\nX-Trace-Id: {observation.trace}\r\n{_date(int(time.time()))}".encode()
        return EarlyAnswer(_HEAD + said + body)

    return Early(answer)


_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
    b"X-Content-Type-Options: nosniff\r\nContent-Length: "
)


@lru_cache(2)
def _date(second: int) -> str:
    """The last header, and the end of the headers."""
    return f"Date: {formatdate(second, usegmt=True)}\r\n\r\n"


@lru_cache(REMEMBERED_AT_MOST)
def _key_of(target: str) -> str | None:
    """Under which the answer lies; None for what is not asked plainly."""
    try:
        asked = parse_qsl(
            target.removeprefix(_BEGINS), strict_parsing=True, errors="strict", max_num_fields=4
        )
        given = {name: value for name, value in asked if value}
        if len(given) < len(asked) or not given.keys() <= _ASKED or "#" in target:
            return None
        wanted = CharacterParameters.model_validate(given)
        title = wanted_title(wanted.movie_title, wanted.media_type, wanted.year).whole_title
    except (ValueError, Problem):
        return None
    return name_key(wanted.name, title)
