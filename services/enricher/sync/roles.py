"""Which pictures a title is expected to have."""

from collections.abc import Mapping
from types import MappingProxyType

from shared.pictures import Kind, Role

_OF_TITLES = (Role.POSTER, Role.FANART, Role.BANNER, Role.LOGO)

ROLES: Mapping[Kind, tuple[Role, ...]] = MappingProxyType(
    {
        Kind.MOVIE: _OF_TITLES,
        Kind.SERIES: _OF_TITLES,
        Kind.SEASON: (Role.POSTER, Role.BANNER),
        Kind.EPISODE: (Role.STILL,),
        Kind.PERSON: (Role.PORTRAIT,),
        Kind.COLLECTION: (Role.POSTER, Role.FANART),
    }
)
"""Of the kinds that providers have pictures of."""
