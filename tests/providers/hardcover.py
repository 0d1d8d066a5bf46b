"""A stand-in for Hardcover: one path for all, a key, its search, and characters that have no more than a picture's id."""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

API_KEY = "the-hardcover-key"
DUNE, SANDWORMS, OMNIBUS = 312460, 9, 10
PAUL, CHANI = 41, 42
PICTURES = {
    71: {"id": 71, "url": "https://assets.hardcover.app/edition/1/dune.jpg"},
    72: {"id": 72, "url": "https://assets.hardcover.app/character/41/paul.jpg"},
    73: {"id": 73, "url": "https://assets.hardcover.app/edition/2/of the edition.jpg"},
}
HERBERT = [{"author": {"name": "Frank Herbert"}}]
CHARACTERS: dict[int, dict[str, Any]] = {
    PAUL: {
        "id": PAUL,
        "name": "Paul Atreides",
        "biography": "A duke's son.",
        "image_id": 72,
        "book_characters": [{"book": {"title": "Dune"}}, {"book": None}, {"book": {"title": "Dune Messiah"}}],
        "contributions": [],
    },
    CHANI: {"id": CHANI, "name": "Chani", "biography": None, "image_id": None, "contributions": None},
}
BOOKS: dict[int, dict[str, Any]] = {
    DUNE: {
        "id": DUNE,
        "title": "Dune",
        "image": PICTURES[71],
        "contributions": HERBERT,
        "book_characters": [{"character": CHARACTERS[PAUL]}, {"character": CHARACTERS[CHANI]}],
    },
    SANDWORMS: {
        "id": SANDWORMS,
        "title": "Sandworms of Dune",
        "image": None,
        "contributions": [{"author": {"name": "Brian Herbert"}}],
        "book_characters": [],
    },
    OMNIBUS: {
        "id": OMNIBUS,
        "title": "Dune: The Graphic Novel",
        "image": {"id": 5, "url": "no URL"},
        "contributions": [{"author": {"name": "Brian Herbert"}}],
        "book_characters": [],
    },
}
FOUND = {"Book": [SANDWORMS, 404, DUNE, OMNIBUS], "Character": [PAUL, CHANI]}
ISBN = "9780441172719"


@dataclass
class HardcoverHost:
    root: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    said: list[web.Response] = field(default_factory=list)
    """To say instead, once each."""
    said_of_search: str | None = None

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator[Self]:
        host = cls()
        app = web.Application()
        app.router.add_post("/v1/graphql", host._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host.root = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/graphql"
            yield host
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())
        name = re.match(r"query (\w+)", asked["query"])
        assert name
        assert asked["query"].count("search(") <= 1
        self.asked[name[1]] += 1
        if self.said:
            return self.said.pop(0)
        if request.headers.get("Authorization") != f"Bearer {API_KEY}":
            return web.json_response({"error": "invalid_token", "error_description": "…"}, status=401)
        return web.json_response({"data": self._data(name[1], asked["variables"])})

    def _data(self, query: str, given: Mapping[str, Any]) -> dict[str, Any]:
        if query == "Search":
            ids = FOUND[given["type"]][: given["limit"]] if "Nobody" not in given["query"] else []
            return {"search": {"ids": ids, "error": self.said_of_search}}
        if query == "Editions":
            known = ISBN in given.values() and "0441172717" in given.values()
            return {"editions": [{"book_id": DUNE, "image": PICTURES[73]}] if known else []}
        said: dict[str, Callable[[], Any]] = {
            "characters": lambda: [CHARACTERS[id_] for id_ in sorted(given["ids"], reverse=True)],
            "characters_by_pk": lambda: CHARACTERS.get(given["id"]),
            "books": lambda: [BOOKS[id_] for id_ in sorted(given["ids"]) if id_ in BOOKS],
            "books_by_pk": lambda: BOOKS.get(given["id"]),
            "images": lambda: [PICTURES[id_] for id_ in given["ids"]],
        }
        field = {"Character": "characters_by_pk", "Book": "books_by_pk"}.get(query, query.lower())
        return {field: said[field]()}
