"""The HTTP side that every service has: the skeleton of an app, problems as answers, health, metrics."""

from shared.http.health import Check
from shared.http.problems import Problem, problem_response
from shared.http.rendered import Rendered, rendered_response
from shared.http.settings import HttpSettings
from shared.http.skeleton import Skeleton, create_skeleton

__all__ = [
    "Check",
    "HttpSettings",
    "Problem",
    "Rendered",
    "Skeleton",
    "create_skeleton",
    "problem_response",
    "rendered_response",
]
