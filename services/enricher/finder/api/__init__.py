"""The finder's endpoints."""

from collections.abc import Awaitable, Callable

from services.enricher.api.endpoint import Endpoint
from services.enricher.finder.api.artwork import artwork_endpoints
from services.enricher.finder.api.books import Books, book_endpoints, open_books
from services.enricher.finder.api.keys import provider_endpoints
from services.enricher.finder.api.purging import (
    Purger,
    explain_endpoints,
    pin_endpoints,
    purge_endpoints,
    purge_path_endpoints,
)
from services.enricher.finder.api.tmdb import TmdbApi
from services.enricher.finder.resolving.opening import OpenResolving
from services.enricher.pictures.shown import PictureUrls
from shared.pictures import HostRules, PictureId
from shared.pictures.public_paths import PublicPaths

__all__ = ["Books", "TmdbApi", "book_endpoints", "open_books", "picture_endpoints", "provider_endpoints"]


def picture_endpoints(
    resolving: OpenResolving,
    urls: PictureUrls,
    rules: HostRules,
    paths: PublicPaths,
    *,
    size_of: Callable[[PictureId], Awaitable[int]],
    tmdb_image_url: str,
) -> list[Endpoint]:
    """All endpoints of pictures that are the finder's."""
    purger = Purger(resolving, size_of)
    return [
        *artwork_endpoints(resolving, urls),
        *pin_endpoints(purger, urls, rules),
        *purge_endpoints(purger),
        *purge_path_endpoints(purger, paths, tmdb_image_url=tmdb_image_url),
        *explain_endpoints(resolving),
    ]
