"""Pictures over HTTP, as far as they are the enricher's: what is known of them, and what operators do with them."""

from services.enricher.api.images.endpoints import image_endpoints

__all__ = ["image_endpoints"]
