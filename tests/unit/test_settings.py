"""`docs/settings.md` has every setting and nothing else, with the default that the code has."""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

import services
import shared
from services.enricher.api.access import AccessSettings
from services.enricher.finder.metadata.opening import MetadataSettings
from services.enricher.finder.providers import ProviderSettings
from services.enricher.finder.providers.tmdb import TmdbSettings
from services.enricher.pictures.shown import PictureUrlSettings
from services.fetcher.settings import FetcherSettings, RenderSettings
from services.proxy.settings import ProxySettings
from shared.http import HttpSettings
from shared.queue import QueueSettings
from shared.settings import HostSettings, Settings
from shared.telemetry import LogSettings
from shared.volume import VolumeSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
IN_WORDS = {
    "ADMIN_TOKEN": "made at the first start",
    "ALLOWED_HOSTS": "the providers' picture hosts",
    "DATABASE_URL": "a file in `STATE_DIR`",
    "IMAGE_FORMATS": "`IMAGE_FORMAT`",
    "LANGUAGES": "`en`",
    "PGID": "unchanged",
    "PORT": "by service",
    "PUID": "unchanged",
    "QUEUE_URL": "a file in `STATE_DIR`",
    "RENDER_PROCESSES": "number of cores",
    "STATE_DIR": "`state` beside the volume",
}


@cache
def every_settings_class() -> Sequence[type[Settings]]:
    for package in (services, shared):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(("__main__", "migrations.env")):
                importlib.import_module(module.name)
    waiting, ours = [Settings], list[type[Settings]]()
    while waiting:
        found = waiting.pop().__subclasses__()
        waiting += found
        ours += [one for one in found if one.__module__.startswith(("services.", "shared."))]
    return ours


def fields() -> Iterator[tuple[type[Settings], FieldInfo]]:
    for settings in every_settings_class():
        for field in settings.model_fields.values():
            nested = isinstance(field.annotation, type) and issubclass(
                field.annotation, Settings | ProviderSettings
            )
            if not nested:
                yield settings, field


def as_documented(name: str, default: object) -> str:
    if name in IN_WORDS:
        return IN_WORDS[name]
    if default in (None, "", ()):
        return "empty"
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text}`"


def documented() -> dict[str, str]:
    rows = re.findall(
        r"^\| `(\w+)` \| (.+?) \| .{10,} \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) == len(dict(rows)), "a setting stands there twice"
    return dict(rows)


def test_every_setting_has_a_name_for_operators() -> None:
    for settings, field in fields():
        assert isinstance(field.validation_alias, str), f"{settings.__name__} has a field without a name"
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+", field.validation_alias)


def test_every_setting_is_documented_with_its_default_and_no_other_is() -> None:
    in_code = {
        str(field.validation_alias): as_documented(
            str(field.validation_alias), field.get_default(call_default_factory=True)
        )
        for _, field in fields()
    }
    assert documented() == in_code


def test_the_default_hosts_are_named() -> None:
    hosts = HostSettings.model_fields["allowed_hosts"].get_default(call_default_factory=True)
    assert all(f"`{host}`" in DOCUMENT.read_text(encoding="utf-8") for host in hosts)


def test_the_providers_are_named_in_their_order() -> None:
    names = ",".join(spec.name for spec in ProviderSettings.read() if spec.artwork)
    assert f"`{names}`" in DOCUMENT.read_text(encoding="utf-8")


def test_a_setting_that_two_services_read_has_one_default() -> None:
    defaults: dict[str, set[str]] = {}
    for _, field in fields():
        default = repr(field.get_default(call_default_factory=True))
        defaults.setdefault(str(field.validation_alias), set()).add(default)
    assert {name: values for name, values in defaults.items() if len(values) > 1} == {}


def test_an_empty_setting_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("IMAGE_QUALITY", "")
    assert HttpSettings().port(8080) == 8080
    assert RenderSettings().quality == 85


def test_what_is_called_like_a_field_is_not_meant_for_us(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "LEVEL", "FORMAT", "QUALITY", "HOSTS", "DOWNLOAD", "RENDER", "CONCURRENCY"):
        monkeypatch.setenv(name, "debug")
    assert QueueSettings().url is None
    assert (LogSettings().level, LogSettings().format) == ("info", "auto")
    assert FetcherSettings().render.quality == 85


def test_the_environment_comes_before_the_file_whatever_the_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("image_quality=70\nPORT=81\nLOG_LEVEL=\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("port", "82")
    assert FetcherSettings().render.quality == 70
    assert HttpSettings().port(8080) == 82
    assert LogSettings().level == "info"
    monkeypatch.setenv("IMAGE_QUALITY", "60")
    assert RenderSettings().quality == 60
    assert RenderSettings(quality=50).quality == 50


def test_a_list_may_have_spaces_and_empty_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", " a.example , ,*.b.example:8080,")
    assert HostSettings().allowed_hosts == ("a.example", "*.b.example:8080")


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        *((ProxySettings, name, ", ,") for name in ("SIGNING_KEYS", "UPLOAD_SIGNING_KEYS", "POSTER_KEYS")),
        (PictureUrlSettings, "SIGNING_KEYS", " "),
        (AccessSettings, "API_TOKENS", ","),
        (AccessSettings, "API_TOKENS", "a b"),
        (AccessSettings, "ADMIN_TOKEN", " "),
        (AccessSettings, "ADMIN_TOKEN", "ü"),
        (FetcherSettings, "USER_AGENT", "a\nb"),
        (FetcherSettings, "READ_TIMEOUT", "inf"),
        (FetcherSettings, "READ_TIMEOUT", "1e11"),
        (FetcherSettings, "MAX_REDIRECTS", "1000"),
        (ProxySettings, "ACCESS_LOG_ADDRESS", "127.0.0.1:65536"),
        (TmdbSettings, "TMDB_IMAGE_URL", "https://images.example/t/p?key=1"),
        (MetadataSettings, "LANGUAGES", "english"),
        (VolumeSettings, "PUID", "4294967295"),
    ],
)
def test_what_would_leave_something_open_or_fail_later_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, settings: type[Settings], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as refused:
        settings()
    assert [error["loc"] for error in refused.value.errors()] == [(name,)]


def test_words_are_read_in_any_case_and_languages_with_either_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", " WARNING ")
    monkeypatch.setenv("LANGUAGES", "pt_BR, original")
    assert LogSettings().level == "warning"
    assert MetadataSettings().languages == ("pt-BR", "original")
