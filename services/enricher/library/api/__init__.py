"""The library's endpoints."""

from services.enricher.library.api.items import (
    item_endpoints,
    library_endpoints,
    library_name_endpoints,
    list_endpoints,
)
from services.enricher.library.api.parts import part_endpoints
from services.enricher.library.api.sync import import_endpoints, sync_endpoints, warm_endpoints
from services.enricher.library.api.unmatched import unmatched_endpoints

__all__ = [
    "import_endpoints",
    "item_endpoints",
    "library_endpoints",
    "library_name_endpoints",
    "list_endpoints",
    "part_endpoints",
    "sync_endpoints",
    "unmatched_endpoints",
    "warm_endpoints",
]
