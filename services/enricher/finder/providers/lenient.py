"""Models of what providers send, who leave out, null and misspell what they document."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticUndefined
from pydantic_core.core_schema import ValidationInfo

from services.enricher.finder.providers.errors import Unreadable


class Lenient(BaseModel):
    """A field that has a default takes it where what came is missing, null, empty, or of another type.

    Of a list the elements that cannot be read are left out. Only a field without a default must be right.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    @field_validator("*", mode="wrap")
    @classmethod
    def _forgive(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        assert info.field_name
        default = cls.model_fields[info.field_name].get_default()
        if default is PydanticUndefined:
            return read(value)
        if value is None or value == "":
            return default
        try:
            return read(value)
        except ValidationError as error:
            return _readable(value, error, read, default)

    @classmethod
    def read(cls, body: bytes | str, provider: str) -> Self:
        """Raise Unreadable for what is not such an object."""
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            raise Unreadable(f"{provider} sent something else than it documents.") from None


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
