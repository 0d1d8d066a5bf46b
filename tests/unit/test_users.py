"""Whose JSON Web Token is good, under which key, and how published keys are read."""

import base64
import json
import time
from http import HTTPStatus
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr, ValidationError

from services.enricher.api.access import Access, AccessSettings, Gate
from services.enricher.api.bearer_tokens import BearerTokens
from services.enricher.api.users import PublishedKeys, Users, UserSettings, open_users
from shared.http import Problem
from tests.unit.test_access import asked

SECRET = "a secret that is long enough to be one"
NOW = int(time.time())
CLAIMS = {"sub": "user-1", "exp": NOW + 3600, "iss": "https://id.example", "aud": "onesheet"}
ONE, OTHER = (generate_private_key(65537, 2048) for _ in range(2))


def settings(**values: Any) -> UserSettings:
    usual: dict[str, Any] = {
        "secret": SecretStr(SECRET),
        "issuer": "https://id.example",
        "audience": ("onesheet",),
    }
    return UserSettings(**usual | values)


def published(**keys: RSAPrivateKey) -> bytes:
    listed = [
        {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}
        for kid, key in keys.items()
    ]
    return json.dumps({"keys": listed}).encode()


class Issuer:
    """Publishes keys, and counts how often it was asked."""

    def __init__(self, document: bytes | Exception) -> None:
        self.document = document
        self.asked = 0
        self.now_s = 0.0

    async def fetch(self) -> bytes:
        self.asked += 1
        if isinstance(self.document, Exception):
            raise self.document
        return self.document

    def users(self, **values: Any) -> Users:
        return Users(settings(**values), PublishedKeys(self.fetch, clock=lambda: self.now_s))


def signed(key: Any = SECRET, algorithm: str | None = "HS256", kid: str | None = None, **claims: Any) -> str:
    said = {name: value for name, value in (CLAIMS | claims).items() if value is not None}
    return jwt.encode(said, key, algorithm, headers={"kid": kid} if kid else None)


def unsigned(header: dict[str, Any], signature: str = "") -> str:
    def part(said: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")

    return f"{part(header)}.{part(CLAIMS)}.{signature}"


def tampered(token: str) -> str:
    header, claims, signature = token.split(".")
    other = "A" if claims[5] != "A" else "B"
    return f"{header}.{claims[:5]}{other}{claims[6:]}.{signature}"


def with_public_key_as_secret() -> str:
    """As who takes a published key for the secret would sign (the library itself refuses to)."""
    import hashlib  # noqa: PLC0415 - of one forgery
    import hmac  # noqa: PLC0415 - of one forgery

    pem = ONE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = unsigned({"alg": "HS256", "typ": "JWT", "kid": "one"}).rstrip(".")
    signature = hmac.new(pem, body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


async def status_of(users: Users, token: str) -> int:
    with pytest.raises(Problem) as refused:
        await users.user(token)
    return refused.value.status


async def test_who_a_good_token_names_is_signed_in_by_the_secret_or_by_a_published_key() -> None:
    users = Issuer(published(one=ONE, other=OTHER)).users()
    assert await users.user(signed()) == "user-1"
    assert await users.user(signed(ONE, "RS256", "one", sub="auth0|7")) == "auth0|7"
    assert await users.user(signed(OTHER, "RS256", "other", aud=["else", "onesheet"])) == "user-1"
    assert await users.user(signed(exp=int(time.time()) - 5)) == "user-1"  # clocks differ


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed("another secret, which is as long as ours"), id="another secret"),
        pytest.param(tampered(signed()), id="forged claims"),
        pytest.param(signed(exp=NOW - 60), id="expired"),
        pytest.param(signed(exp=None), id="for ever"),
        pytest.param(signed(nbf=NOW + 3600), id="not yet"),
        pytest.param(signed(aud="somebody else"), id="wrong audience"),
        pytest.param(signed(aud=None), id="no audience"),
        pytest.param(signed(iss="https://id.example.attacker.example"), id="wrong issuer"),
        pytest.param(signed(sub=None), id="nobody"),
        pytest.param(signed(sub=""), id="empty name"),
        pytest.param(signed(sub="x" * 256), id="long name"),
        pytest.param(signed(None, "none"), id="alg none"),
        pytest.param(unsigned({"alg": "None"}), id="alg None"),
        pytest.param(unsigned({"alg": ["HS256"]}), id="alg no text"),
        pytest.param(unsigned({"typ": "JWT"}), id="no alg"),
        pytest.param(signed(algorithm="HS512", key=SECRET * 2), id="alg that we have no key for"),
        pytest.param(with_public_key_as_secret(), id="published key taken for the secret"),
        pytest.param(signed(OTHER, "RS256", "one"), id="another's key under a published id"),
        pytest.param(signed(OTHER, "RS256", "unknown"), id="unknown key"),
        pytest.param("a.b.c", id="no token"),
        pytest.param("e30.e30." + "x" * 20_000, id="long"),
    ],
)
async def test_what_is_not_good_is_refused(token: str) -> None:
    users = Issuer(published(one=ONE)).users()
    assert await status_of(users, token) == HTTPStatus.UNAUTHORIZED


async def test_with_a_secret_alone_no_other_algorithm_is_taken_and_with_published_keys_alone_no_secret() -> (
    None
):
    assert await status_of(Users(settings(), None), signed(ONE, "RS256", "one")) == HTTPStatus.UNAUTHORIZED
    published_alone = Issuer(published(one=ONE)).users(secret=None)
    assert await status_of(published_alone, signed()) == HTTPStatus.UNAUTHORIZED
    assert await status_of(published_alone, signed("x" * 32)) == HTTPStatus.UNAUTHORIZED


async def test_without_issuer_and_audience_any_is_taken() -> None:
    users = Users(settings(issuer="", audience=()), None)
    assert await users.user(signed(iss="somebody", aud="something")) == "user-1"


async def test_a_rotated_key_is_found_and_the_old_one_is_good_no_longer() -> None:
    issuer = Issuer(published(one=ONE))
    users = issuer.users()
    await users.user(signed(ONE, "RS256", "one"))
    issuer.document, issuer.now_s = published(two=OTHER), 61
    assert await users.user(signed(OTHER, "RS256", "two")) == "user-1"
    assert await status_of(users, signed(ONE, "RS256", "one")) == HTTPStatus.UNAUTHORIZED
    assert issuer.asked == 2


async def test_made_up_keys_have_the_issuer_asked_once_a_minute() -> None:
    issuer = Issuer(published(one=ONE))
    users = issuer.users()
    for number in range(5):
        await status_of(users, signed(OTHER, "RS256", f"made up {number}"))
    assert issuer.asked == 1
    issuer.now_s = 61
    for number in range(5):
        await status_of(users, signed(OTHER, "RS256", f"made up {number}"))
    assert issuer.asked == 2


async def test_keys_are_read_again_each_hour_and_outlast_an_issuer_that_is_down_by_a_day() -> None:
    issuer = Issuer(published(one=ONE))
    users, token = issuer.users(), signed(ONE, "RS256", "one")
    await users.user(token)
    issuer.document, issuer.now_s = OSError("down"), 3_700
    assert await users.user(token) == "user-1"
    assert issuer.asked == 2
    issuer.now_s = 24 * 3600 + 1
    assert await status_of(users, token) == HTTPStatus.SERVICE_UNAVAILABLE
    issuer.document, issuer.now_s = published(one=ONE), 24 * 3600 + 70
    assert await users.user(token) == "user-1"


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": [1, {}, {"kty": "oct", "k": "AAAA", "kid": "one"}]}',
        published(one=ONE).replace(b'"sig"', b'"enc"'),
        published(one=ONE).replace(b'"RSA"', b'"EC"'),
        published(one=generate_private_key(65537, 1024)),
    ],
)
async def test_without_a_key_of_any_use_nothing_is_said_of_tokens(document: bytes) -> None:
    users = Issuer(document).users()
    assert await status_of(users, signed(ONE, "RS256", "one")) == HTTPStatus.SERVICE_UNAVAILABLE


async def test_the_only_key_needs_no_id() -> None:
    assert await Issuer(published(one=ONE)).users().user(signed(ONE, "RS256")) == "user-1"
    two = Issuer(published(one=ONE, other=OTHER)).users()
    assert await status_of(two, signed(ONE, "RS256")) == HTTPStatus.UNAUTHORIZED


async def test_a_published_key_is_read_where_addresses_may_be_private_and_a_redirect_is_not_followed() -> (
    None
):
    async def document(request: web.Request) -> web.Response:
        if request.path == "/moved":
            raise web.HTTPFound("/keys")
        return web.Response(body=published(one=ONE))

    app = web.Application()
    app.add_routes([web.get("/keys", document), web.get("/moved", document)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    outcomes = {}
    token = signed(ONE, "RS256", "one")
    for case, host, path, allowed in (
        ("allowed", f"127.0.0.1:{port}", "/keys", (f"127.0.0.1:{port}",)),
        ("private", f"127.0.0.1:{port}", "/keys", ()),
        ("redirected", f"127.0.0.1:{port}", "/moved", (f"127.0.0.1:{port}",)),
    ):
        its = settings(keys_url=f"http://{host}{path}", allow_private=allowed)
        async with open_users(its) as users:
            assert users
            try:
                outcomes[case] = await users.user(token)
            except Problem as problem:
                outcomes[case] = str(problem.status.value)
    await runner.cleanup()
    assert outcomes == {"allowed": "user-1", "private": "503", "redirected": "503"}


async def test_nobody_can_be_signed_in_where_nothing_is_set() -> None:
    async with open_users(UserSettings()) as users:
        assert users is None


@pytest.mark.parametrize("values", [{"secret": SecretStr("short")}, {"keys_url": "file:///etc/keys"}])
def test_what_would_let_anybody_in_is_refused_at_the_start(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**values)


async def test_a_signed_in_user_may_upload_and_use_the_studio_and_nothing_else() -> None:
    gate = Gate(BearerTokens("admin", ("reader",)), AccessSettings(), users=Users(settings(), None))
    request = asked({}, signed())
    user = await gate._user(request)
    for access in (Access.UPLOADING, Access.STUDIO, Access.USER):
        gate.check(request, access, user=user)
    for access in (Access.API, Access.LISTS, Access.ADMIN):
        with pytest.raises(Problem):
            gate.check(request, access, user=user)
    assert await gate._user(asked({}, "reader")) is None
    with pytest.raises(Problem):
        await gate._user(asked({}, signed(exp=NOW - 60)))
