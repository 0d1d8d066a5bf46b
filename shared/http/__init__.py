"""The HTTP side that every service has: the skeleton of an app, problems as answers, health, metrics."""

from shared.http.answers import NO_STORE, Problem, RenderedBody, problem_response, rendered_response
from shared.http.app import STORED_READY, Check, HttpSettings, Skeleton, create_skeleton, readiness

__all__ = [
    "NO_STORE",
    "STORED_READY",
    "Check",
    "HttpSettings",
    "Problem",
    "RenderedBody",
    "Skeleton",
    "create_skeleton",
    "problem_response",
    "readiness",
    "rendered_response",
]
