"""Pictures over HTTP, as far as they are the enricher's: what is known of them, and what operators do with them."""

from services.enricher.api.images.artwork import artwork_endpoints
from services.enricher.api.images.explain import explain_endpoints
from services.enricher.api.images.library_names import library_name_endpoints
from services.enricher.api.images.pins import pin_endpoints
from services.enricher.api.images.purge import purge_endpoints
from services.enricher.api.images.warm import warm_endpoints

__all__ = [
    "artwork_endpoints",
    "explain_endpoints",
    "library_name_endpoints",
    "pin_endpoints",
    "purge_endpoints",
    "warm_endpoints",
]
