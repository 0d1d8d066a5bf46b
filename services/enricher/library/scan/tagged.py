"""Ids in names, as `{imdb-tt0111161}`, `[tmdbid-278]`, `{tvdb-81189}` or a bare `tt0111161`."""

import re
from collections.abc import Mapping

from services.enricher.library.item import ItemIds

_TAG = re.compile(r"[\[{(]\s*(imdb|tmdb|tvdb)(?:id)?\s*[-=: ]\s*(tt\d{7,10}|\d{1,9})\s*[\]})]", re.IGNORECASE)
_BARE = re.compile(r"(?<![0-9a-z])tt\d{7,10}(?![0-9a-z])", re.IGNORECASE)


def ids_in(name: str) -> ItemIds:
    tags = {kind.lower(): value.lower() for kind, value in reversed(_TAG.findall(name))}
    if "imdb" not in tags and (bare := _BARE.search(name)):
        tags["imdb"] = bare[0].lower()
    return parsed_ids(tags)


def without_ids(name: str) -> str:
    return _BARE.sub(" ", _TAG.sub(" ", name))


def parsed_ids(said: Mapping[str, str]) -> ItemIds:
    """What is no id of its kind is left out."""
    imdb = said.get("imdb", "")
    return ItemIds(
        imdb if _BARE.fullmatch(imdb) else None, _number(said.get("tmdb")), _number(said.get("tvdb"))
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d{1,9}", text, re.ASCII) and int(text) else None
