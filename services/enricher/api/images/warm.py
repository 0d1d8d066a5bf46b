"""Warming up: pictures are fetched before anybody asks for them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.enricher.api.endpoint import Access, Body, Endpoint, Parameters
from services.enricher.api.tasks import ShownTask, started
from services.enricher.sync import Warm
from services.enricher.tasks import Tasks
from shared.pictures import HostRules, SourceUrl
from shared.volume import Pictures

AT_MOST = 1000
TOLD_AT_MOST = 20


class WarmOrder(Body):
    urls: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=2048)], ...],
        Field(min_length=1, max_length=AT_MOST, description="Of pictures at their sources"),
    ]


class Warming(BaseModel):
    """How many of the URLs are now on their way, were there already, or are none that pictures are fetched from."""

    model_config = ConfigDict(frozen=True)

    task: ShownTask | None = Field(description="That tells of each what became of it")
    queued: int
    stored: int
    refused: int
    problems: tuple[str, ...] = Field(description="Why the first ones were refused")


def warm_endpoints(tasks: Tasks, pictures: Pictures, rules: HostRules) -> list[Endpoint]:
    async def warm(_asked: Parameters, order: WarmOrder) -> Warming:
        """Fetch pictures ahead, with all standard renditions, behind those that somebody waits for: a task."""
        sources, problems = _sorted(order.urls, rules)
        missing = [str(source) for source in sources if not await pictures.current(source.picture)]
        task = await started(tasks, Warm.KIND, {"urls": missing}) if missing else None
        return Warming(
            task=task,
            queued=len(missing),
            stored=len(sources) - len(missing),
            refused=len(problems),
            problems=tuple(problems[:TOLD_AT_MOST]),
        )

    return [
        Endpoint(
            "POST",
            "/api/v1/admin/warm",
            warm,
            Warming,
            body=WarmOrder,
            access=Access.ADMIN,
            status=HTTPStatus.ACCEPTED,
        )
    ]


def _sorted(urls: Sequence[str], rules: HostRules) -> tuple[list[SourceUrl], list[str]]:
    """The sources, each once, and why the others are none."""
    sources: list[SourceUrl] = []
    problems: list[str] = []
    for url in dict.fromkeys(urls):
        try:
            source = SourceUrl.parse(url)
        except ValueError as error:
            problems.append(f"{url[:200]}: {error}")
            continue
        if rules.allow(source):
            sources.append(source)
        else:
            problems.append(f"{url[:200]}: {source.authority[:100]} is not among ALLOWED_HOSTS.")
    return sources, problems
