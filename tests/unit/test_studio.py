"""The studio's words: prices, what makes two requests the same, and what is left of what strangers say."""

from dataclasses import dataclass
from typing import NoReturn

import pytest
from pydantic import BaseModel, ValidationError

from services.enricher.studio.api import EditOrder, GenerateOrder, ImageQuery
from services.enricher.studio.asking import ResultRefused, one_line, picture_type
from services.enricher.studio.jobs import PRICES, StudioKind, WantedJob, prices_in
from services.enricher.studio.replicate import ReplicateSettings
from services.enricher.studio.results import ResultFetcher
from services.enricher.studio.serpapi import web_url
from services.enricher.uploads.api import bytes_of_data_url
from shared.http.addresses import AddressPolicy
from shared.http.outbound import Outbound, OutboundSettings
from shared.http.untrusted import Follower, FollowingRefused
from shared.pictures import HostRules, RefusalReason


def test_prices_stand_over_the_tables_and_are_whole_millionths() -> None:
    prices = prices_in("generate:0.0035, video:1")
    assert (prices[StudioKind.GENERATE], prices[StudioKind.VIDEO]) == (3_500, 1_000_000)
    assert prices[StudioKind.EDIT] == PRICES[StudioKind.EDIT]
    assert prices_in("") == dict(PRICES)
    assert set(PRICES) == set(StudioKind)


@pytest.mark.parametrize(
    "text", ["generate", "paint:1", "generate:-1", "generate:nan", "generate:inf", "generate:x", "video:1e99"]
)
def test_what_is_no_price_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="price"):
        prices_in(text)


@pytest.mark.parametrize("prompt", ["{other}", "{name", "{0}", "{name.__class__}"])
def test_a_prompt_names_a_character_and_a_title_and_nothing_else(prompt: str) -> None:
    with pytest.raises(ValueError, match="braces"):
        ReplicateSettings(prompt=prompt)


def test_a_url_that_was_signed_anew_is_no_other_request() -> None:
    def wanted(**arguments: object) -> WantedJob:
        return WantedJob(StudioKind.VIDEO, "lumaai", arguments, 1)

    assert wanted(prompt="x", sent_url="a").fingerprint == wanted(sent_url="b", prompt="x").fingerprint
    assert wanted(prompt="x").fingerprint != wanted(prompt="y").fingerprint


def test_what_strangers_say_is_one_line_without_what_cannot_be_seen() -> None:
    assert one_line(" a\n\tb\x00\u202ec \u2028") == "a b c"
    assert one_line("x" * 10**6) == "x" * 500


URLS = {
    "https://one.example/a?b=c#d": True,
    "http://10.0.0.1/": True,
    "javascript:alert(1)": False,
    "//one.example/": False,
    "https://": False,
    "https://one.example/" + "x" * 5000: False,
    "data:image/png;base64,AAAA": False,
}


@pytest.mark.parametrize("url", URLS)
def test_only_urls_of_the_web_are_handed_on(url: str) -> None:
    assert bool(web_url(url)) is URLS[url]
    assert web_url(None) == web_url(7) == ""


TYPES = {
    b"\xff\xd8\xff\xe0": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF89a": "image/gif",
    b"RIFF\x00\x00\x00\x00WEBPVP8 ": "image/webp",
    b"RIFF\x00\x00\x00\x00WAVE": None,
    b"<svg>": None,
    b"": None,
}


@pytest.mark.parametrize("body", TYPES)
def test_services_are_sent_pictures_that_they_take_by_their_first_bytes(body: bytes) -> None:
    assert picture_type(body) == TYPES[body]


WAY_OUT = Outbound(OutboundSettings(), {})


@dataclass(frozen=True)
class Refusing(Follower):
    why: RefusalReason

    def get(self, url: str, *, rules: HostRules | None = None) -> NoReturn:
        raise FollowingRefused(self.why, url)


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (RefusalReason.ADDRESS, "private address"),
        (RefusalReason.URL, "no URL"),
        (RefusalReason.DOWNGRADE, "from https to http"),
        (RefusalReason.REDIRECTS, "from one address to the next"),
        (RefusalReason.HOST, "ALLOWED_HOSTS"),
        (RefusalReason.PORT, "ALLOWED_HOSTS"),
    ],
)
async def test_why_a_result_is_not_fetched_is_a_sentence(why: RefusalReason, said: str) -> None:
    with pytest.raises(ResultRefused, match=said):
        await ResultFetcher(Refusing(WAY_OUT, AddressPolicy(()), 0, why)).fetch("https://a.example/")


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (GenerateOrder, {"name": "\0", "movie_title": "Dune"}),
        (GenerateOrder, {"name": "Paul", "movie_title": "\u202e "}),
        (EditOrder, {"prompt": "\n", "image": "x"}),
        (ImageQuery, {"query": "\0\0"}),
    ],
)
def test_what_is_paid_for_is_not_asked_for_nothing(order: type[BaseModel], said: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="nothing in it"):
        order.model_validate(said)


def test_base64_may_come_in_lines() -> None:
    assert bytes_of_data_url("data:image/png;base64, aGVs\r\nbG8=\n") == b"hello"
