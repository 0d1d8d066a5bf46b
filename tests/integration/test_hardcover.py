"""Hardcover: five questions about books and their characters, within its limits; covers and portraits by name."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from services.enricher.finder.artwork.source import Subject
from services.enricher.finder.providers import Limit, ProviderSettings
from services.enricher.finder.providers.hardcover.client import (
    HardcoverSettings,
    hardcover_address,
    parse_isbn,
)
from services.enricher.finder.providers.hardcover.spec import SPEC
from services.enricher.finder.providers.registry import PACKAGES, specs_of
from shared.contracts import FetchPicture, RefuseName, ResolvePicture
from shared.pictures import Kind, Name, Rendition
from shared.queue import Lane
from tests.integration.enricher import RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.providers import hardcover as stand_in
from tests.providers.hardcover import CHANI, DUNE, ISBN, PAUL, HardcoverHost

OURS = "/api/v1/images"
PAUL_SHOWN = {
    "id": PAUL,
    "name": "Paul Atreides",
    "books": ["Dune", "Dune Messiah"],
    "author_names": [],
    "description": "A duke's son.",
    "image_url": f"{OURS}/character/hardcover:{PAUL}/portrait/original",
    "confidence": 1.0,
}
DUNE_SHOWN = {
    "id": DUNE,
    "title": "Dune",
    "author_names": ["Frank Herbert"],
    "cover_image_url": f"{OURS}/book/hardcover:{DUNE}/cover/original",
    "characters": ["Paul Atreides", "Chani"],
    "confidence": 1.0,
}


@pytest.fixture
async def host() -> AsyncIterator[HardcoverHost]:
    async with HardcoverHost.running() as running:
        yield running


@pytest.fixture
async def enricher(tmp_path: Path, host: HardcoverHost) -> AsyncIterator[RunningEnricher]:
    hardcover = HardcoverSettings(api_key=SecretStr(f"Bearer {stand_in.API_KEY}"), base_url=host.root)
    async with running_enricher(tmp_path, providers=ProviderSettings.read(hardcover)) as running:
        yield running


async def said(enricher: RunningEnricher, path: str) -> Any:
    reply = await enricher.get(f"/api/v1/books/{path}")
    return reply.json if reply.status == 200 else (reply.status, reply.json["detail"])


async def test_five_questions_are_answered_each_with_few_requests(
    enricher: RunningEnricher, host: HardcoverHost
) -> None:
    found = (await said(enricher, "search?query=dune&limit=3"))["books"]
    assert [one["title"] for one in found] == ["Sandworms of Dune", "Dune"]  # of one nobody knows more
    assert found[1] == DUNE_SHOWN
    characters = (await said(enricher, "characters/search?query=paul"))["characters"]
    assert characters[0] == PAUL_SHOWN
    assert (characters[1]["id"], characters[1]["image_url"], characters[1]["description"]) == (
        CHANI,
        None,
        None,
    )
    assert await said(enricher, f"characters/{PAUL}") == PAUL_SHOWN
    of_edition = {"cover_image_url": f"{OURS}/book/isbn:{ISBN}/cover/original"}
    assert await said(enricher, f"isbn/{ISBN}") == DUNE_SHOWN | of_edition
    assert await said(enricher, "isbn/0-441-17271-7") == DUNE_SHOWN | of_edition  # the same, asked for once
    of_book = (await said(enricher, "characters?title=dune&author=frank%20herbert"))["characters"]
    assert [one["name"] for one in of_book] == ["Paul Atreides", "Chani"]
    assert of_book[1]["author_names"] == ["Frank Herbert"]
    assert of_book[1]["books"] == ["Dune"]
    before = host.asked.total()
    await said(enricher, "search?query=dune&limit=3")
    assert host.asked.total() == before
    assert host.asked == {
        "Search": 3, "Books": 2, "Characters": 1, "Images": 3, "Character": 1, "Editions": 1, "Book": 1,
    }  # fmt: skip


async def test_a_book_is_its_title_and_author_or_none(enricher: RunningEnricher) -> None:
    by_subtitle = await said(enricher, "characters?title=DUNE&author=Brian%20Herbert")
    assert by_subtitle == {"characters": []}  # the graphic novel, which has none
    assert (await said(enricher, "characters?title=dune&author=Somebody"))[0] == 404
    assert (await said(enricher, "characters?title=Nobody"))[0] == 404
    assert await said(enricher, "search?query=Nobody") == {"books": []}
    assert (await said(enricher, "characters/999"))[0] == 404
    assert (await said(enricher, "isbn/9780306406157"))[0] == 404
    assert (await said(enricher, "isbn/9780306406158"))[0] == 400
    assert (await said(enricher, "search"))[0] == 400


FAILURES: tuple[tuple[int, dict[str, str], Any, int, str], ...] = (
    (400, {}, {"error": "invalid_query"}, 503, "refused (400)"),
    (401, {}, {"error": "invalid_token"}, 503, "does not accept our key"),
    (403, {}, {"error": "insufficient_scope", "scope": "read"}, 503, "does not accept our key"),
    (403, {}, {"errors": [{"message": "top_level_limit_exceeded"}]}, 503, "does not accept our key"),
    (408, {}, {"error": "Request timeout"}, 502, "lost patience"),
    (503, {}, {"error": "Service temporarily unavailable"}, 502, "is overloaded"),
    (200, {}, {"errors": [{"extensions": {"code": "validation-failed"}}]}, 503, "cannot make sense"),
    (200, {}, {"data": {"search": {"ids": None, "error": "broken"}}}, 503, "could not search"),
    (200, {}, [], 502, "something else than it documents"),
    (
        429,
        {"Retry-After": "60"},
        {"error": "Too Many Requests"},
        503,
        "asks us to wait",
    ),  # and so are the next
)


async def test_each_failure_is_told_apart(enricher: RunningEnricher, host: HardcoverHost) -> None:
    for number, (status, headers, body, answered, says) in enumerate(FAILURES):
        host.said = [web.json_response(body, status=status, headers=headers)]
        told = await said(enricher, f"search?query=dune%20{number}")
        assert (told[0], says in told[1]) == (answered, True), told
    asked = host.asked.total()
    assert (await said(enricher, "search?query=dune"))[0] == 503
    assert host.asked.total() == asked


async def test_covers_and_portraits_are_found_by_name(enricher: RunningEnricher) -> None:
    wanted = {
        f"book/isbn:{ISBN}/cover": "https://assets.hardcover.app/edition/2/of%20the%20edition.jpg",
        "book/isbn:0441172717/image": "https://assets.hardcover.app/edition/2/of%20the%20edition.jpg",
        f"book/hardcover:{DUNE}/poster": "https://assets.hardcover.app/edition/1/dune.jpg",
        f"character/hardcover:{PAUL}/portrait": "https://assets.hardcover.app/character/41/paul.jpg",
    }
    nobody_has = {f"character/hardcover:{CHANI}/portrait", "book/isbn:0441172718/cover"}
    for name in (*nobody_has, *wanted):
        job = ResolvePicture(name=Name.parse(name), rendition=Rendition.parse("w342.webp"))
        await enricher.publish(job, Lane.RESOLVE_NOW)
    await until(lambda: len(enricher.queue.jobs(FetchPicture)) == len(wanted))
    await until(lambda: len(enricher.queue.jobs(RefuseName)) == len(nobody_has))
    assert {str(job.name): str(job.source_url) for job in enricher.queue.jobs(FetchPicture)} == wanted
    assert {str(job.name) for job in enricher.queue.jobs(RefuseName)} == nobody_has


async def test_without_a_key_hardcover_is_off_and_says_so(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as enricher:
        status, detail = await said(enricher, "search?query=dune")
        assert (status, "HARDCOVER_API_KEY" in detail) == (503, True)


def test_it_is_asked_as_often_as_it_allows_with_its_key_however_that_is_written() -> None:
    assert SPEC.limits == (Limit(60, timedelta(minutes=1)), Limit(5000, timedelta(days=1)))
    for written in ("key", "Bearer key", "Bearer  key "):
        address = hardcover_address(HardcoverSettings(api_key=SecretStr(written)))
        assert address.headers == {"Authorization": "Bearer key"}
    assert SPEC in specs_of(PACKAGES)
    assert HardcoverSettings().base_url == "https://api.hardcover.app/v1/graphql"


@pytest.mark.parametrize(
    ("text", "isbn"),
    [
        ("9780441172719", "9780441172719"),
        ("978-0-441-17271-9", "9780441172719"),
        ("0441172717", "9780441172719"),
        ("080442957x", "9780804429573"),
        ("978\u20110\u2011441\u201317271\u20119", "9780441172719"),
        ("ISBN-13: 978 0 441 17271 9", "9780441172719"),
        ("ISBN 0-441-17271-7", "9780441172719"),
        ("9791090636071", "9791090636071"),
        *(
            (wrong, None)
            for wrong in ("9780441172718", "0441172718", "", "isbn", "97804411727190", "044117271X7")
        ),
    ],
)
def test_an_isbn_is_thirteen_digits_of_which_the_last_checks_the_others(text: str, isbn: str | None) -> None:
    if isbn:
        assert parse_isbn(text) == isbn
    else:
        with pytest.raises(ValueError, match="ISBN"):
            parse_isbn(text)


@pytest.mark.parametrize(
    ("kind", "id_", "known"),
    [
        (Kind.BOOK, f"isbn:{ISBN}", True),
        (Kind.BOOK, f"hardcover:{DUNE}", True),
        (Kind.BOOK, "tmdb:603", False),
        (Kind.CHARACTER, f"hardcover:{PAUL}", True),
        (Kind.CHARACTER, f"isbn:{ISBN}", False),
    ],
)
def test_who_knows_which_book_or_character(kind: Kind, id_: str, known: bool) -> None:
    if known:
        assert Subject.parse(kind, id_).kind is kind
    else:
        with pytest.raises(ValueError, match="is written"):
            Subject.parse(kind, id_)
