"""Tasks: how far they are, and ending them."""

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field, field_validator

from services.enricher.api.endpoint import Access, Endpoint, Parameters
from services.enricher.tasks.task import Task, TaskRefused, TaskState
from services.enricher.tasks.tasks import Tasks
from shared.http import Problem

LISTED_AT_MOST = 20


class TaskParameters(Parameters):
    id: int = Field(ge=1, le=2**63 - 1)


class WindowParameters(Parameters):
    limit: int = Field(50, ge=1, le=100)
    offset: int = Field(0, ge=0, le=10_000_000)


class ShownTask(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: int
    kind: str
    arguments: Mapping[str, object] = Field(description="Of a long list, its length")
    state: TaskState
    cancelling: bool = Field(description="Asked to end, and not yet there")
    done: int = Field(description="Steps")
    total: int | None = Field(description="Of so many, where that is known")
    counts: Mapping[str, int]
    errors: tuple[str, ...] = Field(
        description="The first ones; the items of the outcome error are more of them"
    )
    reason: str | None = Field(description="Why it failed")
    created_at: AwareDatetime
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None

    @computed_field(
        description="The same as `id`; as `current`, `status`, `result` and `error`, for scripts that know these"
    )
    def task_id(self) -> int:
        return self.id

    @computed_field
    def current(self) -> int:
        return self.done

    @computed_field
    def status(self) -> str:
        return f"{self.state}: {self.done}{f' of {self.total}' if self.total is not None else ''}"

    @computed_field
    def result(self) -> Mapping[str, int] | None:
        return self.counts if self.state is TaskState.DONE else None

    @computed_field
    def error(self) -> str | None:
        return self.reason

    @field_validator("arguments", mode="before")
    @classmethod
    def _short(cls, arguments: Mapping[str, object]) -> Mapping[str, object]:
        return {
            name: len(value) if isinstance(value, list) and len(value) > LISTED_AT_MOST else value
            for name, value in arguments.items()
        }


class ShownTasks(BaseModel):
    model_config = ConfigDict(frozen=True)

    tasks: tuple[ShownTask, ...]


class TaskItemParameters(TaskParameters):
    outcome: str | None = Field(None, max_length=40)
    limit: int = Field(50, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=10_000_000)


class ShownItem(BaseModel):
    """What became of one thing. A failure has a class, a reason, and a time when it may be tried again."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    name: str
    outcome: str
    failure_class: str | None
    reason: str | None
    retry_at: AwareDatetime | None
    bytes: int | None


class ShownItems(BaseModel):
    model_config = ConfigDict(frozen=True)

    items: tuple[ShownItem, ...]


def task_endpoints(tasks: Tasks) -> list[Endpoint]:
    async def one(asked: TaskParameters) -> ShownTask:
        """How a task is, as of a second ago at most."""
        return known(await tasks.get(asked.id))

    async def newest(asked: WindowParameters) -> ShownTasks:
        """Tasks, the newest first."""
        found = await tasks.list(limit=asked.limit, offset=asked.offset)
        return ShownTasks(tasks=tuple(map(ShownTask.model_validate, found)))

    async def items(asked: TaskItemParameters) -> ShownItems:
        """What became of each thing that a task was about, the first 10,000 of them; of one outcome, or of all."""
        known(await tasks.get(asked.id))
        found = await tasks.items(asked.id, outcome=asked.outcome, limit=asked.limit, offset=asked.offset)
        return ShownItems(items=tuple(map(ShownItem.model_validate, found)))

    async def cancel(asked: TaskParameters) -> ShownTask:
        """End a task at its next step. One that has ended stays as it is."""
        return known(await tasks.cancel(asked.id))

    return [
        Endpoint("GET", "/api/v1/admin/tasks", newest, ShownTasks, WindowParameters, access=Access.ADMIN),
        Endpoint("GET", "/api/v1/admin/tasks/{id}", one, ShownTask, TaskParameters, access=Access.ADMIN),
        Endpoint(
            "GET",
            "/api/v1/admin/tasks/{id}/items",
            items,
            ShownItems,
            TaskItemParameters,
            access=Access.ADMIN,
        ),
        Endpoint(
            "POST", "/api/v1/admin/tasks/{id}/cancel", cancel, ShownTask, TaskParameters, access=Access.ADMIN
        ),
    ]


async def started(tasks: Tasks, kind: str, arguments: Mapping[str, object]) -> ShownTask:
    """The task, or the same one that waits or runs already. Raise Problem where too many wait."""
    try:
        return ShownTask.model_validate(await tasks.start(kind, arguments))
    except TaskRefused as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from None


def known(task: Task | None) -> ShownTask:
    """Raise Problem where there is none."""
    if task is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such task.")
    return ShownTask.model_validate(task)
