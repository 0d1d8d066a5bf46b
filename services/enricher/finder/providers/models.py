"""What providers send, read: they leave out, null and misspell what they document."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator
from pydantic_core.core_schema import ValidationInfo
from yarl import URL

from services.enricher.finder.providers.errors import Unreadable
from shared.pictures import SourceUrl
from shared.pictures.hosts import picture_host


class TitleKind(StrEnum):
    """What a title is: providers have other words for it, and other addresses."""

    MOVIE = "movie"
    TV = "tv"


class Lenient(BaseModel):
    """A field that has a default takes it where what came is missing, null, empty, or of another type.

    Of a list the elements that cannot be read are left out. Only a field without a default must be right.
    """

    # There are many, and most of them are for providers that nobody has a key of: each is built when it is first read.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _forgive(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        error = None
        if value is not None and value != "":
            try:  # first, for most are right, and there are some dozens to a picture
                return read(value)
            except ValidationError as wrong:
                error = wrong
        assert info.field_name
        field = cls.__pydantic_fields__[
            info.field_name
        ]  # `model_fields` looks it up by a property, each time
        if field.is_required():
            return read(value)
        default = field.get_default()  # a copy, which costs more than reading what is right
        return _readable(value, error, read, default) if error else default

    @classmethod
    def read(cls, body: bytes | str, provider: str) -> Self:
        """Raise Unreadable for what is not such an object."""
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            raise Unreadable(f"{provider} sent something else than it documents.") from None


def picture_url(spelled: str) -> str:
    """A picture's URL as a provider spells it, in the one spelling that gives the picture its id.

    Spaces and brackets are escaped, and https taken where the provider's picture host is known to have it.
    Raise ValueError for what is no URL of a picture.
    """
    url = SourceUrl.parse(str(URL(spelled.strip()).with_fragment(None))).url
    if url.scheme == "http" and url.explicit_port is None and picture_host(url.host or ""):
        url = url.with_scheme("https")
    return str(url)


def _readable(
    value: object, error: ValidationError, read: ValidatorFunctionWrapHandler, default: object
) -> object:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return default
    unreadable = {problem["loc"][0] for problem in error.errors(include_url=False) if problem["loc"]}
    try:
        return read([element for index, element in enumerate(value) if index not in unreadable])
    except ValidationError:
        return default
