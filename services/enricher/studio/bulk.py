"""Pictures for many characters, one after the other, so that whoever waits for one of their own has the other seats."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus

from services.enricher.characters.chain import WantedCharacter
from services.enricher.characters.images import CharacterImages
from services.enricher.studio.jobs import StudioState
from services.enricher.studio.studio import Studio
from services.enricher.tasks.task import Progress, TaskFailed
from shared.http import Problem
from shared.pictures import Failure, FailureClass
from shared.telemetry import utc_now

BULK = "generate characters' pictures"
LOOKED_AFTER_S = 2.0


class BulkGeneration:
    """The work of a task. Begun again, it finds the jobs that it asked for before, and pays for none of them twice."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self.characters: CharacterImages | None = None

    async def cast_of(self, wanted: WantedCharacter) -> Sequence[tuple[str, str]]:
        """The characters of a title, each with the title as the table of characters calls it."""
        if self.characters is None:
            return ()
        return [(name, wanted.whole_title) for name in await self.characters.cast(wanted)]

    async def __call__(self, arguments: Mapping[str, object], progress: Progress) -> None:
        named = [(str(name), str(title)) for name, title in _pairs(arguments.get("characters"))]
        progress.total = len(named)
        for name, title in named:
            progress.step()
            await self._one(name, title, progress, force=arguments.get("force") is True)

    async def _one(self, name: str, title: str, progress: Progress, *, force: bool) -> None:
        label = f"{name} / {title}"
        if not force and await self._has_one(name, title):
            progress.item(label, "has one")
            return
        try:
            job = await self._studio.ask_for_character(name, title, looked_at=0)
        except Problem as problem:
            if problem.status is HTTPStatus.TOO_MANY_REQUESTS:
                wait = timedelta(seconds=int(problem.headers.get("Retry-After", "60")))
                failure = Failure.after(
                    None, FailureClass.BUSY, problem.detail, now=utc_now(), retry_after=wait
                )
                progress.item(label, "budget spent", failure=failure)
                return
            raise TaskFailed(problem.detail) from None
        while not job.state.ended:
            progress.step()
            job = await self._studio.waited(job, LOOKED_AFTER_S)
        if job.state is StudioState.DONE:
            progress.item(label, "made")
        else:
            reason = (job.reason or job.state.value)[:300]
            failed = Failure.after(None, FailureClass.UPSTREAM, reason, now=utc_now())
            progress.item(label, job.state.value, failure=failed)

    async def _has_one(self, name: str, title: str) -> bool:
        if self.characters is None:
            return False
        return (await self.characters.by_name(WantedCharacter(name, title))).success


def _pairs(listed: object) -> Sequence[tuple[object, object]]:
    if not isinstance(listed, list):
        return ()
    return [(one[0], one[1]) for one in listed if isinstance(one, list | tuple) and len(one) == 2]  # noqa: PLR2004 - a pair
