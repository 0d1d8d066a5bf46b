"""Settings: how every model of them is read, and those that several services share."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from shared.pictures import HostRules, hosts
from shared.pictures.source import MAX_LENGTH, USUAL_LENGTH

ONESHEET_VERSION = "0.1.0"


def _listed(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
"""`a, b` in the environment."""


def _listed_keys(value: object) -> object:
    listed = _listed(value)
    if value and not listed:
        raise ValueError("it is set, and has nothing in it: leave it empty where none is wanted")
    return listed


KeyList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed_keys)]
"""The same of what closes something: `,` would leave it open."""

UserAgent = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]*[!-~])?$")]
"""As it can stand in a header."""

LARGEST_NUMBER = 1e10
"""Of any setting: in seconds three centuries, which moments can still be reckoned with."""
_FIELD_PREFIX = "ONESHEET_FIELD_"


class _WhereSet(PydanticBaseSettingsSource):
    """A source of names and values that is read only where it has a name of the model's: to look for each field of forty models
    takes a third of what a start takes.
    """

    def __init__(self, settings: type[BaseSettings], whole: PydanticBaseSettingsSource) -> None:
        super().__init__(settings)
        self._whole = whole

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._whole.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        assert isinstance(self._whole, EnvSettingsSource)
        own = _FIELD_PREFIX.lower()
        aliases = [str(field.validation_alias).lower() for field in self.settings_cls.model_fields.values()]
        there = self._whole.env_vars
        if any(alias in there for alias in aliases) or any(name.startswith(own) for name in there):
            return self._whole()
        return {}


class Settings(BaseSettings):
    """Read once, when the service is composed. A field's alias is the name operators know."""

    model_config = SettingsConfigDict(
        frozen=True,
        populate_by_name=True,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        # Of fields' own names, which are for code: a stray URL, LEVEL or HOSTS is not meant for us.
        env_prefix=_FIELD_PREFIX,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there are none
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            _WhereSet(settings_cls, env_settings),
            _WhereSet(settings_cls, dotenv_settings),
        )

    @field_validator("*")
    @classmethod
    def _can_be_reckoned_with(cls, value: Any) -> Any:
        if isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
            raise ValueError(f"it is no number up to {LARGEST_NUMBER:.0f}")
        return value


def examples_of(name: str) -> tuple[object, ...]:
    """How the setting may be written, where that needs an example."""
    waiting: list[type[BaseSettings]] = [Settings]
    while waiting:
        settings = waiting.pop()
        waiting += settings.__subclasses__()
        for field in settings.model_fields.values():
            if field.validation_alias == name and field.examples:
                return tuple(field.examples)
    return ()


class HostSettings(Settings):
    allowed_hosts: CommaList = Field(
        default_factory=lambda: tuple(known.host for known in hosts.PICTURE_HOSTS),
        validation_alias="ALLOWED_HOSTS",
    )

    longest_url: int = Field(USUAL_LENGTH, validation_alias="MAX_URL_LENGTH", ge=256, le=MAX_LENGTH)
    """Of a source URL that a client gives us, in characters: what it may have escaped, as the servers read it."""

    @field_validator("allowed_hosts")
    @classmethod
    def _readable(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        HostRules.of(rules)
        return rules

    @property
    def rules(self) -> HostRules:
        return HostRules.of(self.allowed_hosts, longest_url=self.longest_url)
