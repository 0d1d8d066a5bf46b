import stat
from pathlib import Path

import pytest

from services.enricher.api.access import AccessSettings, BearerTokens
from shared.http import HttpSettings, Problem


def of(directory: Path, *, admin: str = "", api: tuple[str, ...] = ()) -> BearerTokens:
    return BearerTokens.of(AccessSettings(admin_token=admin, api_tokens=api), directory)


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


def test_without_api_tokens_anybody_may_read(tmp_path: Path) -> None:
    of(tmp_path, admin="set").check(None, admin=False)


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
    ("host", "api", "said"),
    [
        ("0.0.0.0", (), True),
        ("media.example.org", (), True),
        ("0.0.0.0", ("one",), False),
        ("127.0.0.2", (), False),
        ("::1", (), False),
        ("localhost", (), False),
    ],
)
def test_who_lets_the_world_read_is_told_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str, api: tuple[str, ...], said: bool
) -> None:
    http = HttpSettings(host=host)
    BearerTokens.of(AccessSettings(admin_token="set", api_tokens=api, http=http), tmp_path)
    assert ("set API_TOKENS" in capsys.readouterr().out) == said
