"""The HTTP side that every service has: the skeleton of an app, problems as answers, health, metrics."""

from shared.http.answers import NO_STORE, Problem, RenderedBody, rendered_response
from shared.http.app import STORED_READY, HttpSettings, Skeleton, create_skeleton, readiness

__all__ = [
    "NO_STORE",
    "STORED_READY",
    "HttpSettings",
    "Problem",
    "RenderedBody",
    "Skeleton",
    "create_skeleton",
    "readiness",
    "rendered_response",
]
