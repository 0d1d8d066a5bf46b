"""Endpoints of the studio: as SceneXtras has them, which wait for a while, and its jobs."""

from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.enricher.api.access import caller, showed_token
from services.enricher.api.endpoint import AcceptedJob, Access, Body, Endpoint, Parameters, Sent
from services.enricher.api.tasks import ShownTask, started
from services.enricher.characters.api import LONGEST, NamedCharacter, PreloadOrder, wanted_title
from services.enricher.studio.asking import one_line, picture_type
from services.enricher.studio.bulk import BULK, BulkGeneration
from services.enricher.studio.jobs import MILLION, STEPS, StudioJob, StudioKind, StudioState
from services.enricher.studio.results import NO_ORIGIN
from services.enricher.studio.serpapi import web_url
from services.enricher.studio.studio import Studio
from services.enricher.studio.titles import ExtractedTitle
from services.enricher.tasks.tasks import Tasks
from services.enricher.uploads.api import MAX_BYTES, MAX_JSON_BYTES, bytes_of_data_url
from shared.http import Problem

PATH, ADMINS = "/api/v1/studio", "/api/v1/admin/studio"
_Answer = TypeVar("_Answer", bound=BaseModel)
LONGEST_PROMPT = 2000
_JOB_ID = r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class WaitParameters(Parameters):
    wait: float | None = Field(
        None, ge=0, description="Seconds that are waited, STUDIO_WAIT at most; 0: the job is told at once"
    )


class StudioJobParameters(Parameters):
    id: str = Field(pattern=_JOB_ID)


class StudioJobsParameters(Parameters):
    state: StudioState | None = None
    limit: int = Field(50, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=10_000_000)


def _said(text: str) -> str:
    if not one_line(text):
        raise ValueError("there is nothing in it that can be sent")
    return text


Said = Annotated[str, AfterValidator(_said)]
"""Words that something is left of once they are one line: what is paid for is not asked for nothing."""


class GenerateOrder(Body):
    name: Said = Field(min_length=1, max_length=LONGEST)
    movie_title: Said = Field(min_length=1, max_length=LONGEST)


class VideoOrder(Body):
    filename: str = Field(max_length=140, description="Of an upload, as its sender was told")
    prompt: Said = Field(min_length=1, max_length=LONGEST_PROMPT)
    camera_concepts: tuple[str, ...] = Field((), max_length=10)

    @model_validator(mode="after")
    def _are_words(self) -> Self:
        if any(not one.replace("_", "").isalnum() or len(one) > 60 for one in self.camera_concepts):  # noqa: PLR2004 - of a word
            raise ValueError("camera_concepts are words, such as dolly_zoom")
        return self


class EditOrder(Body):
    prompt: Said = Field(min_length=1, max_length=LONGEST_PROMPT)
    image: str = Field(
        min_length=1, description="One of ours, a URL of an allowed host, or a data URL in base64"
    )


class SearchOrder(Body):
    url: str = Field(min_length=1, max_length=2000, description="Of a picture: one of ours, or anybody's")

    @model_validator(mode="before")
    @classmethod
    def _however_it_is_called(cls, given: Any) -> Any:
        if isinstance(given, dict) and "url" not in given and "image_url" in given:
            return {
                **{name: value for name, value in given.items() if name != "image_url"},
                "url": given["image_url"],
            }
        return given


class ImageQuery(Body):
    query: Said = Field(min_length=1, max_length=200)


class TitlePicture(Body):
    image: str = Field(min_length=1, description="A data URL in base64; or send a form's file, or the bytes")


class Decision(Body):
    decision: Literal["paid", "again", "give_up"] = Field(
        description="paid: it was, and its result is lost. again: it is sent once more, and what may have been paid goes on "
        "counting. give_up: it was not paid, and is not sent again"
    )


class BulkOrder(Body):
    """One of `movie_title`, for its whole cast, and `characters`."""

    movie_title: str | None = Field(None, min_length=1, max_length=LONGEST)
    media_type: Literal["movie", "tv", "series"] | None = None
    year: int | None = Field(None, ge=1870, le=2200)
    characters: tuple[NamedCharacter, ...] = Field((), max_length=200)
    force: bool = Field(default=False, description="Also for those who have a picture")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.movie_title is None) == (not self.characters):
            raise ValueError("give movie_title or characters, one of them")
        return self


class ShownJob(BaseModel):
    """`done` of `total`: asked for, sent, begun, made and stored. `price` in US dollars. `ahead`: jobs that come first."""

    model_config = ConfigDict(frozen=True)

    id: str
    task_id: str = Field(description="The same")
    kind: StudioKind
    service: str
    state: StudioState
    done: int
    total: int = STEPS
    ahead: int | None = Field(None, description="Of one that waits")
    price: float
    created_at: AwareDatetime
    sent_at: AwareDatetime | None
    not_before: AwareDatetime | None = Field(
        description="Of one that waits for a service, or for another day"
    )
    finished_at: AwareDatetime | None
    reason: str | None = Field(description="Why it is not done")
    result: dict[str, Any] | None = None


class ShownJobs(BaseModel):
    jobs: tuple[ShownJob, ...]


class LensResults(BaseModel):
    results: list[dict[str, str]]


class VideoMade(BaseModel):
    generation_id: str | None
    video_url: str
    filename: str


class PictureMade(BaseModel):
    url: str
    image_url: str = Field(description="The same")
    filename: str


class ImageFound(BaseModel):
    image_url: str = Field(description="Empty: nobody has one")


class StudioSpending(BaseModel):
    """Of today, which is UTC's, in US dollars. What may have been paid counts."""

    spent: float
    promised: float = Field(description="For what waits")
    by_service: dict[str, float]
    by_user: dict[str, float]
    prices: dict[str, float]


class StudioApi:
    def __init__(self, studio: Studio, tasks: Tasks, bulk: BulkGeneration) -> None:
        self._studio = studio
        self._tasks = tasks
        self._bulk = bulk

    async def generate(self, asked: WaitParameters, order: GenerateOrder) -> PictureMade | AcceptedJob:
        """Have a picture of a character made (Replicate). The same character of the same title is one job."""
        job = await self._studio.ask_for_character(order.name, order.movie_title, user=caller().user)
        return await self._answered(job, asked, PictureMade)

    async def video(self, asked: WaitParameters, order: VideoOrder) -> VideoMade | AcceptedJob:
        """Have a video made of one of our pictures (Luma), which Luma asks us for by a URL that is signed for an hour."""
        self._studio.service_of(StudioKind.VIDEO)
        file = await self._own(order.filename)
        if file is None:
            raise Problem(HTTPStatus.NOT_FOUND, "There is no such upload.")
        if not self._studio.results.public_url(file):
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, NO_ORIGIN)
        arguments = {
            "upload": file.id,
            "prompt": order.prompt,
            "camera_concepts": list(order.camera_concepts),
        }
        job = await self._studio.ask(StudioKind.VIDEO, arguments, user=caller().user)
        return await self._answered(job, asked, VideoMade)

    async def edit(self, asked: WaitParameters, order: EditOrder) -> PictureMade | AcceptedJob:
        """Have a picture edited by words (Imagen)."""
        self._studio.service_of(StudioKind.EDIT)
        if order.image.startswith("data:"):
            picture = bytes_of_data_url(order.image)
        else:
            picture = await self._studio.picture_of(order.image, user=caller().user, trusted=showed_token())
        job = await self._studio.ask(
            StudioKind.EDIT, {"prompt": order.prompt}, picture=_usable(picture), user=caller().user
        )
        return await self._answered(job, asked, PictureMade)

    async def title(self, asked: WaitParameters, sent: TitlePicture | Sent) -> ExtractedTitle | AcceptedJob:
        """Which title a picture shows: as a vision model reads it (OpenAI), and as TMDB has it where the likeness is 95 or more."""
        self._studio.service_of(StudioKind.TITLE)
        picture = bytes_of_data_url(sent.image) if isinstance(sent, TitlePicture) else sent.body
        job = await self._studio.ask(StudioKind.TITLE, {}, picture=_usable(picture), user=caller().user)
        return await self._answered(job, asked, ExtractedTitle)

    async def search(self, asked: WaitParameters, order: SearchOrder) -> LensResults | AcceptedJob:
        """Search by a picture (Google Lens, by SerpApi)."""
        self._studio.service_of(StudioKind.LENS)
        file = await self._own(order.url)
        if file:
            if not self._studio.results.public_url(file):
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, NO_ORIGIN)
            arguments: Mapping[str, object] = {"upload": file.id}
        elif url := web_url(order.url):
            arguments = {"url": url}
        else:
            raise Problem(HTTPStatus.BAD_REQUEST, "url is no http or https URL, and none of our pictures.")
        job = await self._studio.ask(StudioKind.LENS, arguments, user=caller().user)
        return await self._answered(job, asked, LensResults)

    async def images(self, _: Parameters, order: ImageQuery) -> ImageFound:
        """The URL of a picture by words, or an empty one. What was found once is known without end."""
        self._studio.service_of(StudioKind.IMAGES)
        return ImageFound(image_url=await self._studio.searched_picture(order.query, may_pay=True))

    async def job(self, asked: StudioJobParameters) -> ShownJob:
        """How a job is, and what came of it."""
        return await self._shown(_known(await self._studio.table.get(asked.id)))

    async def listed(self, asked: StudioJobsParameters) -> ShownJobs:
        """Jobs, the newest first; of one state, or of all."""
        states = [asked.state] if asked.state else []
        found = await self._studio.table.listed(states=states, limit=asked.limit, offset=asked.offset)
        return ShownJobs(jobs=tuple([await self._shown(job, as_it_is=True) for job in found]))

    async def cancel(self, asked: StudioJobParameters) -> ShownJob:
        """End a job: at once where nothing was sent. What was sent counts as paid. Whoever asked for it first may, and who shows a
        token.
        """
        job = _known(await self._studio.table.get(asked.id))
        if not showed_token() and job.asked_by != caller().user:
            raise Problem(HTTPStatus.FORBIDDEN, "Somebody else asked for it.")
        return await self._shown(_known(await self._studio.cancel(asked.id)))

    async def fetch(self, asked: StudioJobParameters) -> ShownJob:
        """Try once more to fetch what was paid and could not be fetched. Nothing is paid."""
        _known(await self._studio.table.get(asked.id))
        job = await self._studio.fetch_again(asked.id)
        if job is None:
            raise Problem(HTTPStatus.CONFLICT, "It is none that was paid and not fetched.")
        return await self._shown(job)

    async def decide(self, asked: StudioJobParameters, order: Decision) -> ShownJob:
        """Say what became of a job that is perhaps paid: somebody looked at the service's own site."""
        _known(await self._studio.table.get(asked.id))
        job = await self._studio.decided(asked.id, order.decision)
        if job is None:
            raise Problem(HTTPStatus.CONFLICT, "It is none that is perhaps paid.")
        return await self._shown(job)

    async def spending(self, _: Parameters) -> StudioSpending:
        """What was spent today, by service and user, and what each kind costs."""
        spent = await self._studio.table.spent()
        return StudioSpending(
            spent=spent.all / MILLION,
            promised=spent.promised / MILLION,
            by_service={name: amount / MILLION for name, amount in spent.by_service.items()},
            by_user={name: amount / MILLION for name, amount in spent.by_user.items()},
            prices={kind.value: price / MILLION for kind, price in self._studio.prices.items()},
        )

    async def bulk(self, _: Parameters, order: BulkOrder) -> ShownTask:
        """Have pictures made for a title's whole cast, or for a list: for those that have none, one after the other."""
        self._studio.service_of(StudioKind.GENERATE)
        if order.characters:
            named: Sequence[tuple[str, str]] = [
                (one.name, wanted_title(one.movie_title, one.media_type, one.year).whole_title)
                for one in order.characters
            ]
        else:
            title = PreloadOrder(
                movie_title=order.movie_title or "", media_type=order.media_type, year=order.year
            )
            named = await self._bulk.cast_of(wanted_title(title.movie_title, title.media_type, title.year))
        characters = [list(pair) for pair in dict.fromkeys(named)]
        if not characters:
            raise Problem(HTTPStatus.NOT_FOUND, "Nobody has a cast of this title.")
        return await started(self._tasks, BULK, {"characters": characters, "force": order.force})

    async def _own(self, text: str) -> Any:
        return await self._studio.own_upload(text, user=caller().user, trusted=showed_token())

    async def _answered(
        self, job: StudioJob, asked: WaitParameters, model: type[_Answer]
    ) -> _Answer | AcceptedJob:
        """What came of it, or the job where that takes longer. Raise Problem for what ended badly."""
        job = await self._studio.waited(job, asked.wait)
        if not job.state.ended:
            return AcceptedJob(await self._shown(job), f"{PATH}/jobs/{job.id}")
        if job.state is not StudioState.DONE:
            raise Problem(_STATUS[job.state], _words(job))
        return model.model_validate(await self._studio.shown(job))

    async def _shown(self, job: StudioJob, *, as_it_is: bool = False) -> ShownJob:
        """`as_it_is`: nobody else is asked about its result."""
        waits = job.state is StudioState.WAITING
        return ShownJob(
            id=job.id,
            task_id=job.id,
            kind=job.kind,
            service=job.service,
            state=job.state,
            done=job.done,
            ahead=await self._studio.table.ahead_of(job) if waits else None,
            price=job.price / MILLION,
            created_at=job.created_at,
            sent_at=job.sent_at,
            not_before=job.not_before if waits else None,
            finished_at=job.finished_at,
            reason=job.reason,
            result=dict(job.result or {}) or None if as_it_is else await self._studio.shown(job),
        )

    @property
    def endpoints(self) -> list[Endpoint]:
        admin, job, one = Access.ADMIN, ShownJob, StudioJobParameters
        asking = partial(Endpoint, "POST", parameters=WaitParameters, access=Access.STUDIO, pending=ShownJob)
        about = f"{PATH}/jobs/{{id}}"
        accepted = HTTPStatus.ACCEPTED
        return [
            asking("/convert-to-video", self.video, VideoMade, body=VideoOrder),
            asking("/edit-image", self.edit, PictureMade, body=EditOrder, max_json_bytes=MAX_JSON_BYTES),
            *(
                asking(
                    path,
                    self.title,
                    ExtractedTitle,
                    body=TitlePicture,
                    max_sent_bytes=MAX_BYTES,
                    max_json_bytes=MAX_JSON_BYTES,
                )
                for path in ("/extract-title/", "/extract-title")
            ),
            asking("/search", self.search, LensResults, body=SearchOrder),
            asking(f"{PATH}/generate", self.generate, PictureMade, body=GenerateOrder),
            Endpoint(
                "POST", f"{PATH}/image-search", self.images, ImageFound, body=ImageQuery, access=Access.STUDIO
            ),
            Endpoint("GET", about, self.job, job, one, access=Access.STUDIO),
            Endpoint("POST", f"{about}/cancel", self.cancel, job, one, access=Access.STUDIO),
            Endpoint("POST", f"{about}/fetch", self.fetch, job, one, access=Access.STUDIO),
            Endpoint("POST", f"{ADMINS}/jobs/{{id}}/decide", self.decide, job, one, Decision, access=admin),
            Endpoint("GET", f"{ADMINS}/jobs", self.listed, ShownJobs, StudioJobsParameters, access=admin),
            Endpoint("GET", f"{ADMINS}/spending", self.spending, StudioSpending, access=admin),
            Endpoint(
                "POST", f"{ADMINS}/bulk", self.bulk, ShownTask, body=BulkOrder, access=admin, status=accepted
            ),
        ]


_STATUS = {
    StudioState.FAILED: HTTPStatus.BAD_GATEWAY,
    StudioState.UNFETCHED: HTTPStatus.BAD_GATEWAY,
    StudioState.CANCELLED: HTTPStatus.CONFLICT,
    StudioState.PERHAPS_PAID: HTTPStatus.CONFLICT,
}


def _words(job: StudioJob) -> str:
    return f"{job.reason or 'It was cancelled.'} (job {job.id})"


def _known(job: StudioJob | None) -> StudioJob:
    if job is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such job.")
    return job


def _usable(picture: bytes) -> bytes:
    """Raise Problem for none, too many bytes, or a kind that services do not take."""
    if not picture:
        raise Problem(HTTPStatus.BAD_REQUEST, "Send a picture.")
    if len(picture) > MAX_BYTES:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send {MAX_BYTES} bytes at most.")
    if picture_type(picture) is None:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send a JPEG, PNG, WebP or GIF.")
    return picture
