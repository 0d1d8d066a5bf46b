"""Values that travel as one string: parsed where they come in, and written back unchanged."""

from abc import ABC, abstractmethod
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class TextValue(ABC):
    """Mixin: a frozen value with `parse(text)` and `str(value)`, used as a field of pydantic models."""

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Self:
        """Raise ValueError, with a sentence for the user, for a text that is no such value."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from_text = core_schema.no_info_after_validator_function(cls.parse, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.to_string_ser_schema(),
        )
