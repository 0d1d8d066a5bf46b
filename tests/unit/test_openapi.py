import json
import re

from openapi_spec_validator import validate
from pydantic import BaseModel, Field

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.api.openapi import described
from services.proxy.description import description
from services.proxy.handlers import DESCRIPTION, picture_routes
from shared.pictures.public_paths import PUBLIC_PATHS, VIDEO_FOLDERS


class Asked(Parameters):
    id: int
    limit: int = Field(50, ge=1, le=100, description="How many.")


class Sent(Body):
    path: str


class Answer(BaseModel):
    inner: "Answer | None" = None


async def thing(_asked: Asked, _sent: Sent) -> Answer:
    """One thing.

    With all that belongs to it.
    """
    return Answer()


def test_the_description_is_valid_and_says_what_the_models_say() -> None:
    endpoint = Endpoint("POST", "/things/{id:[0-9]+}", thing, Answer, Asked, Sent, Access.ADMIN)
    document = json.loads(described([endpoint], version="1.2.3"))
    validate(document)
    operation = document["paths"]["/things/{id}"]["post"]
    assert (operation["summary"], operation["description"]) == ("One thing", "With all that belongs to it.")
    assert [(p["name"], p["in"], p["required"]) for p in operation["parameters"]] == [
        ("id", "path", True),
        ("limit", "query", False),
    ]
    assert operation["security"] == [{"token": []}]
    assert set(operation["responses"]) == {"200", "default"}
    assert set(document["components"]["schemas"]) == {"Answer", "ProblemBody", "Sent"}


def test_the_proxys_description_is_valid_and_has_every_route_of_pictures() -> None:
    document = json.loads(description())
    validate(document)
    routes = {re.sub(r"\{(\w+):[^{}]*\}", r"{\1}", route.path) for route in picture_routes(PUBLIC_PATHS)}
    videos = {f"{folder}/{{name}}.mp4" for folder in VIDEO_FOLDERS}
    assert set(document["paths"]) == (routes - {DESCRIPTION}) | videos
