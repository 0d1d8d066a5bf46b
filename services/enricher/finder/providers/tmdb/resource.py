"""A resource: one thing that TMDB can be asked for, what it is called in the cache, and for how long it is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Generic, TypeVar
from urllib.parse import urlencode

from services.enricher.finder.providers.lenient import Lenient

Model = TypeVar("Model", bound=Lenient)
_Model_co = TypeVar("_Model_co", bound=Lenient, covariant=True)

PROVIDER = "TMDB"


@dataclass(frozen=True)
class Resource(Generic[_Model_co]):
    """`params` are what changes the answer, without what is the default; never the credential."""

    path: str
    name: str
    model: type[_Model_co]
    kept: timedelta
    params: tuple[tuple[str, str], ...] = ()
    query: str | None = None
    """What is searched for: part of the name, and asked for as a parameter."""

    @property
    def asked(self) -> dict[str, str]:
        """The parameters of the request."""
        return dict(self.params) | ({"query": self.query} if self.query else {})

    @cached_property
    def cache_key(self) -> str:
        """`movie:603`, `search:movie:matrix?page=2`."""
        return f"{self.name}?{urlencode(self.params)}" if self.params else self.name

    def read(self, body: bytes | str) -> _Model_co:
        return self.model.read(body, PROVIDER)


def params_of(given: Mapping[str, str | int | None]) -> tuple[tuple[str, str], ...]:
    """Sorted, without those that are None."""
    return tuple(sorted((name, str(value)) for name, value in given.items() if value is not None))
