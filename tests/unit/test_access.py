import stat
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.enricher.api.access import Access, AccessSettings, Gate
from services.enricher.api.bearer_tokens import BearerTokens
from services.enricher.api.sessions import FORWARDED
from shared.http import HttpSettings, Problem


def of(directory: Path, *, admin: str = "", api: tuple[str, ...] = ()) -> BearerTokens:
    return BearerTokens.of(admin, api, directory)


def test_without_a_setting_a_token_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    of(tmp_path)
    (file,) = tmp_path.iterdir()
    token = file.read_text().strip()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(token) > 30
    of(tmp_path).check(f"Bearer {token}", admin=True)
    assert file.read_text().strip() == token


def test_a_half_made_token_of_a_killed_start_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "admin-token.new").write_text("half")
    of(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["admin-token"]


def test_a_token_that_is_set_is_written_nowhere(tmp_path: Path) -> None:
    of(tmp_path, admin="set").check("Bearer set", admin=True)
    assert not list(tmp_path.iterdir())


def test_with_api_tokens_reading_needs_one_of_them_or_the_admin_token(tmp_path: Path) -> None:
    tokens = of(tmp_path, admin="set", api=("one", "two"))
    for token in ("one", "two", "set"):
        tokens.check(f"Bearer {token}", admin=False)
    for refused in (None, "Bearer three", "Bearer "):
        with pytest.raises(Problem):
            tokens.check(refused, admin=False)


def test_an_api_token_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Problem):
        of(tmp_path, admin="set", api=("one",)).check("Bearer one", admin=True)


def test_a_token_that_is_no_text_is_refused_as_any_other(tmp_path: Path) -> None:
    with pytest.raises(Problem):
        of(tmp_path, admin="set").check("Bearer \udce9", admin=True)


@pytest.mark.parametrize(
    ("settings", "signs", "said"),
    [
        (AccessSettings(http=HttpSettings(host="0.0.0.0")), False, True),
        (AccessSettings(http=HttpSettings(host="127.0.0.1")), False, True),
        (AccessSettings(api_tokens=("one",)), False, False),
        (AccessSettings(), True, False),
    ],
)
def test_who_lets_the_world_read_is_told_at_the_start_wherever_it_is_listened_at(
    capsys: pytest.CaptureFixture[str], settings: AccessSettings, signs: bool, said: bool
) -> None:
    Gate(BearerTokens("admin", settings.api_tokens), settings, signs=signs)
    assert ("set API_TOKENS" in capsys.readouterr().out) == said


# --- the table of who may what

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
NGINX = {"X-Forwarded-For": "203.0.113.5"}
COLUMNS: dict[str, tuple[AccessSettings, bool, dict[str, str]]] = {
    "nothing set": (AccessSettings(), False, {}),
    "`API_TOKENS` set": (AccessSettings(api_tokens=("reader",)), False, {}),
    "`SIGNING_KEYS` set": (AccessSettings(), True, {}),
    "behind a web server": (AccessSettings(), False, NGINX),
    "behind one, `EXPOSE_API=true`": (AccessSettings(expose_api=True), False, NGINX),
}
SHOWN = {
    "anybody": "",
    "a signed URL": "",
    "a token": "reader",
    "a token, or a signed-in user": "reader",
    "a signed-in user": "a user",
    "the admin token": "admin",
}
"""The least that is enough; the proxy checks signatures itself."""


def documented() -> dict[str, dict[str, str]]:
    """What is needed, by row and column."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("### Who may what")[2].partition("\n\nA token")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    (_, *columns), _, *rows = lines
    return {what: dict(zip(columns, needed, strict=True)) for what, *needed in rows}


def asked(headers: dict[str, str], token: str, host: str = "localhost") -> web.Request:
    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    return make_mocked_request("GET", "/", {"Host": host, **headers, **authorization})


def may(gate: Gate, access: Access, request: web.Request) -> bool:
    with suppress(Problem):
        gate.check(request, access)
        return True
    return False


def test_the_table_has_a_row_for_each_kind_of_access_and_a_column_for_each_setting() -> None:
    assert list(documented()) == [access.value for access in Access]
    assert all(list(row) == list(COLUMNS) for row in documented().values())


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize("column", COLUMNS)
def test_who_may_what_is_as_the_table_says(access: Access, column: str) -> None:
    settings, signs, headers = COLUMNS[column]
    gate = Gate(BearerTokens("admin", settings.api_tokens), settings, signs=signs)
    least = SHOWN[documented()[access.value][column]]
    if least == "reader" and not settings.api_tokens:
        least = "admin"
    enough = {"": ["", "reader", "admin"], "reader": ["reader", "admin"], "admin": ["admin"], "a user": []}[
        least
    ]
    for token in ("", "reader", "admin", "wrong"):
        expected = token in enough or (least == "" and token == "wrong")
        assert may(gate, access, asked(headers, token)) == expected, token


@pytest.mark.parametrize("header", FORWARDED)
def test_whatever_came_through_a_web_server_needs_a_token(header: str) -> None:
    gate = Gate(BearerTokens("admin"), AccessSettings())
    assert may(gate, Access.LISTS, asked({}, ""))
    assert not may(gate, Access.LISTS, asked({header: "something"}, ""))


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "192.0.2.7", "media.example.org:80"],
)
@pytest.mark.parametrize(
    "access",
    [one for one in Access if one not in {Access.ADMIN, Access.UPLOADING, Access.STUDIO, Access.USER}],
)
def test_at_a_loopback_address_our_own_names_are_taken(host: str, access: Access) -> None:
    gate = Gate(BearerTokens("admin"), AccessSettings(), public_url="https://media.example.org/sheet")
    gate.check(asked({}, "", host), access)


@pytest.mark.parametrize(
    "host",
    ["rebound.attacker.example", "localhost.attacker.example:8080", "127.0.0.1.example", "media.example.or"],
)
def test_other_names_are_misdirected_but_for_pictures(host: str) -> None:
    gate = Gate(BearerTokens("admin"), AccessSettings(), public_url="https://media.example.org")
    for access in set(Access) - {Access.ANYBODY}:
        with pytest.raises(Problem, match="PUBLIC_URL") as refused:
            gate.check(asked({}, "admin", host), access)
        assert refused.value.status == 421
    gate.check(asked({}, "", host), Access.ANYBODY)


def test_elsewhere_any_name_is_taken() -> None:
    settings = AccessSettings(http=HttpSettings(host="0.0.0.0"))
    Gate(BearerTokens("admin"), settings).check(asked({}, "", "any.example"), Access.LISTS)
