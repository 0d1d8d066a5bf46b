"""The keeper's endpoints."""

from services.enricher.keeper.api.catalog import catalog_endpoints, integrity_endpoints
from services.enricher.keeper.api.dead_letters import dead_letter_endpoints, queue_endpoints
from services.enricher.keeper.api.hosts import host_endpoints
from services.enricher.keeper.api.videos import video_endpoints

__all__ = [
    "catalog_endpoints",
    "dead_letter_endpoints",
    "host_endpoints",
    "integrity_endpoints",
    "queue_endpoints",
    "video_endpoints",
]
