"""With keys set, a URL is answered only where one of them signed it: stored or not, in every form."""

import time
from collections.abc import Callable

import pytest

from shared.http.signatures import Signatures
from tests.conformance.conftest import SIGNING_KEYS
from tests.conformance.servers import Server, Servers
from tests.conformance.signing import sign
from tests.conformance.subjects import BY_NAME, FORMS, Stored, by_url
from tests.conformance.test_misses import ITS_OWN
from tests.conformance.test_stored import DAY, WEBP, YEAR
from tests.conformance.world import World

NEVER_ENDING_S = 4_000_000_000


async def stored_at_tmdb(world: World) -> Stored:
    """These servers take `/t/p/` for TMDB's own host."""
    path = world.new_subject().path
    return await world.stored("w342.webp", source=f"https://image.tmdb.org{path}")


@pytest.mark.parametrize("key", SIGNING_KEYS)
@pytest.mark.parametrize("expires_s", [None, NEVER_ENDING_S])
@pytest.mark.parametrize("form", FORMS)
async def test_every_key_opens_every_form(
    world: World, signed: Servers, form: str, key: str, expires_s: int | None
) -> None:
    stored = await stored_at_tmdb(world)
    target = sign(stored.target(form, "w342.webp"), key, expires_s=expires_s)
    for method in ("GET", "HEAD"):
        answer = await signed.ask(target, WEBP, method=method)
        assert answer.status == 200
        assert answer.body == (stored.files["w342.webp"] if method == "GET" else b"")
        assert answer.headers["Cache-Control"] == (DAY if form == BY_NAME else YEAR)
        assert answer.headers.get("X-Image-Source") == ("tmdb" if form in ("?url=", "/t/p/") else None)


def other_hex(target: str) -> str:
    """Another digit somewhere in the signature."""
    last = target[-1]
    return target[:-1] + ("0" if last != "0" else "1")


WRONG: list[Callable[[str], str]] = [
    lambda target: target,
    lambda target: sign(target, "wrong-key"),
    lambda target: sign(target, ""),
    lambda target: sign(target) + "&sig=",
    lambda target: sign(target) + "&sig=" + sign(target)[-64:],
    lambda target: other_hex(sign(target)),
    lambda target: sign(target)[:-1],
    lambda target: sign(target).replace("sig=", "Sig="),
    lambda target: sign(target)[:-64] + sign(target)[-64:].upper(),
    lambda target: sign(target) + "&exp=4000000000",
    lambda target: sign(target) + "&size=small",
    lambda target: sign(target).replace("w342", "w500"),
    lambda target: sign(target, expires_s=int(time.time()) - 1),
    lambda target: sign(target, expires_s=0),
    lambda target: sign(target, expires_s=-5),
    lambda target: sign(target, expires_s=NEVER_ENDING_S) + "&exp=4000000001",
    lambda target: sign(target, expires_s=NEVER_ENDING_S).replace("exp=4", "exp=5"),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
@pytest.mark.parametrize("form", FORMS)
async def test_nothing_else_opens_any(world: World, signed: Servers, form: str, number: int) -> None:
    stored = await stored_at_tmdb(world)
    target = WRONG[number](stored.target(form, "w342.webp"))
    for method in ("GET", "HEAD"):
        answer = await signed.ask(target, WEBP, method=method)
        assert answer.status == 403
        assert answer.headers["Cache-Control"] == "no-store"
        if method == "GET":
            assert answer.problem["detail"]


async def test_an_expiry_that_is_no_number_counts_as_over(world: World, signed: Servers) -> None:
    stored = await stored_at_tmdb(world)
    for end in ("soon", "4e9", "+4000000000", "4000000000.5", "", "٤٠٠٠٠٠٠٠٠٠"):
        parameters = [("url", str(stored.subject.source)), ("size", "w342"), ("exp", end)]
        target = Signatures(SIGNING_KEYS).sign("/api/images/proxy", parameters)
        assert (await signed.ask(target, WEBP)).status == 403


async def test_the_signature_survives_another_order_and_other_escapes(world: World, signed: Servers) -> None:
    stored = await stored_at_tmdb(world)
    target = sign(stored.target("?url=", "w342.webp"))
    path, _, query = target.partition("?")
    for spelling in ("&".join(reversed(query.split("&"))), query.replace("w342", "%77342")):
        answer = await signed.ask(f"{path}?{spelling}")
        assert (answer.status, answer.body) == (200, stored.files["w342.webp"])


async def test_a_signature_allows_its_host_and_a_miss(
    world: World, servers: Servers, signed: Servers
) -> None:
    subjects = {server.name: world.offered() for server in signed}

    def elsewhere(server: Server) -> str:
        """The same host under a name that is not on the list."""
        return by_url(str(subjects[server.name].source).replace("127.0.0.1", "localhost"), "w45", "webp")

    refused = await servers.ask(elsewhere)
    assert refused.status == 403
    assert "ALLOWED_HOSTS" in refused.problem["detail"]
    for cached in ("false", "true"):
        answer = await signed.ask(lambda server: sign(elsewhere(server)), varying=ITS_OWN)
        assert (answer.status, answer.headers["X-Image-Cached"]) == (200, cached)
    stored = await servers.ask(elsewhere, varying=ITS_OWN)
    assert (stored.status, stored.headers["X-Image-Cached"]) == (200, "true")
