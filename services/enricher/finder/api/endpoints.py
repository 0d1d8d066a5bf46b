"""All endpoints of pictures that are the enricher's."""

from services.enricher.api.endpoint import Endpoint
from services.enricher.finder.api.artwork import artwork_endpoints
from services.enricher.finder.api.pins import pin_endpoints
from services.enricher.finder.api.purging import (
    Purger,
    explain_endpoints,
    purge_endpoints,
    purge_path_endpoints,
)
from services.enricher.finder.resolving import OpenResolving
from services.enricher.keeper.catalog import CatalogTable
from services.enricher.library import Library
from services.enricher.library.api.items import library_name_endpoints
from services.enricher.library.api.sync import warm_endpoints
from services.enricher.pictures import PictureUrls
from services.enricher.tasks import Tasks
from shared.pictures import HostRules
from shared.pictures.public_paths import PublicPaths
from shared.volume import Pictures


def image_endpoints(
    resolving: OpenResolving,
    library: Library,
    *,
    catalog: CatalogTable,
    tasks: Tasks,
    pictures: Pictures,
    urls: PictureUrls,
    rules: HostRules,
    tmdb_image_url: str,
    paths: PublicPaths,
) -> list[Endpoint]:
    purger = Purger(resolving, catalog)
    return [
        *library_name_endpoints(library, urls, paths),
        *artwork_endpoints(resolving, urls),
        *pin_endpoints(purger, urls, rules),
        *purge_endpoints(purger),
        *purge_path_endpoints(purger, paths, tmdb_image_url=tmdb_image_url),
        *warm_endpoints(tasks, pictures, rules),
        *explain_endpoints(resolving),
    ]
