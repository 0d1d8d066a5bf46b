"""Jobs of the studio: each sent once, in their order, within what may be spent, whatever ends the process meanwhile."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.enricher.studio import asking
from services.enricher.studio.imagen import GoogleSettings
from services.enricher.studio.jobs import Caps, StudioKind, StudioState
from services.enricher.studio.openai_vision import OpenAiSettings
from services.enricher.studio.replicate import ReplicateSettings
from services.enricher.studio.serpapi import SerpApiSettings
from services.enricher.studio.tables import StudioTable
from shared.http import Problem
from shared.pictures import Failure, FailureClass
from shared.queue import QueueError
from shared.telemetry import utc_now
from tests.integration.account import Steps
from tests.integration.onesheet import until
from tests.integration.studio import Clock, FakeFinder, FakeVideos, RunningStudio, running_studio
from tests.providers.behaviour import Behaviour
from tests.providers.metadata_host import Said
from tests.providers.picture_host import PictureHost
from tests.providers.studio import TOKEN, StudioHost

PICTURE = b"\x89PNG\r\n\x1a\n a picture, as far as anybody here can tell"
PREDICTIONS = "/v1/models/black-forest-labs/flux-schnell/predictions"


@pytest.fixture
async def host() -> AsyncIterator[StudioHost]:
    async with StudioHost.running() as running:
        running.state.edited = PICTURE
        yield running


@pytest.fixture
def made(picture_host: PictureHost, host: StudioHost) -> tuple[str, ...]:
    """A picture that services say they have made, at a host that may be asked."""
    picture_host.put("/made.png", PICTURE)
    host.state.result_url = picture_host.url("/made.png")
    return (picture_host.url("").removeprefix("http://").rstrip("/"),)


@pytest.fixture
async def studio(tmp_path: Path, host: StudioHost, made: tuple[str, ...]) -> AsyncIterator[RunningStudio]:
    async with running_studio(tmp_path, host, allow_private=made) as running:
        yield running


async def test_a_picture_is_made_fetched_stored_told_and_the_characters_from_then_on(
    studio: RunningStudio,
) -> None:
    studio.host.state.polls_needed = 2
    job = await studio.ended(await studio.ask("Neo"))
    assert (job.state, job.done, job.reason) == (StudioState.DONE, 4, None)
    file = f"anonymous_{job.id}.jpg"
    assert job.result == {"filename": file}
    assert studio.finder.kept == {f"anonymous_{job.id}": PICTURE}
    assert studio.characters.registered == [("Neo", "The Matrix", file)]
    states = ["sending", "running", "storing", "done"]
    await until(lambda: [event.state for event in studio.queue.told] == states)
    assert studio.host.state.charged == {"Neo of The Matrix": 1}
    assert await studio.wing.studio.generate("Neo", "The Matrix") == file
    assert studio.host.state.charged == {"Neo of The Matrix": 1}


async def test_the_same_is_one_job_and_another_picture_prompt_or_setting_is_another(
    tmp_path: Path, host: StudioHost, made: tuple[str, ...]
) -> None:
    async with running_studio(tmp_path, host, working=False, allow_private=made) as studio:
        ask = studio.wing.studio.ask
        first = await ask(StudioKind.EDIT, {"prompt": "Red"}, picture=b"one")
        again = await ask(StudioKind.EDIT, {"prompt": "Red"}, picture=b"one")
        assert (again.id, again.looked_at) == (first.id, 2)
        others = {
            (await ask(StudioKind.EDIT, {"prompt": "Red"}, picture=b"two")).id,
            (await ask(StudioKind.EDIT, {"prompt": "Blue"}, picture=b"one")).id,
        }
        assert len(others | {first.id}) == 3
        neo = await studio.ask("Neo")
    other = ReplicateSettings(token=SecretStr(TOKEN), model="another/model", prompt="{name} of {title}")
    async with running_studio(tmp_path, host, working=False, replicate=other) as studio:
        assert (await studio.ask("Neo")).id != neo.id


KINDS = {
    StudioKind.GENERATE: ("claimed", "intended", "answered", "known", "made", "noted", "stored"),
    StudioKind.VIDEO: ("claimed", "intended", "answered", "known", "made", "noted", "stored"),
    StudioKind.EDIT: ("claimed", "intended", "answered", "noted", "stored"),
    StudioKind.TITLE: ("claimed", "intended", "answered"),
    StudioKind.LENS: ("claimed", "intended", "answered", "known", "made"),
}
LOST = {(StudioKind.EDIT, "answered"), (StudioKind.TITLE, "answered"), (StudioKind.LENS, "answered")}
"""Where nobody can say afterwards what became of a paid request."""


@pytest.mark.parametrize(("kind", "step"), [(kind, step) for kind, steps in KINDS.items() for step in steps])
async def test_a_process_that_dies_at_any_step_pays_once_and_forgets_nothing(
    tmp_path: Path, host: StudioHost, made: tuple[str, ...], kind: StudioKind, step: str
) -> None:
    """Killed before sending, it is not known that nothing was sent: that is perhaps paid, and not sent."""
    steps, finder, videos = Steps(), FakeFinder(), FakeVideos()
    async with running_studio(
        tmp_path, host, steps=steps, finder=finder, videos=videos, allow_private=made
    ) as studio:
        upload = await studio.upload(PICTURE)
        of_kind: dict[StudioKind, dict[str, object]] = {
            StudioKind.GENERATE: {"prompt": "Neo"},
            StudioKind.VIDEO: {"prompt": "Neo", "upload": upload, "camera_concepts": ["dolly_zoom"]},
            StudioKind.EDIT: {"prompt": "Neo"},
            StudioKind.TITLE: {},
            StudioKind.LENS: {"url": "https://elsewhere.example/one.jpg"},
        }
        steps.dies_at = step
        picture = PICTURE if kind in (StudioKind.EDIT, StudioKind.TITLE) else None
        asked = await studio.wing.studio.ask(kind, of_kind[kind], picture=picture)

        async def died() -> bool:
            return steps.seen != [] and steps.dies_at is None

        await until(died, every_s=0.005)
    async with running_studio(tmp_path, host, finder=finder, videos=videos, allow_private=made) as studio:
        job = await studio.ended(asked)
        charges = len(host.state.charges)
        if step == "intended" or (kind, step) in LOST:
            assert (job.state, charges) == (StudioState.PERHAPS_PAID, int(step == "answered"))
            assert "may have been paid" in (job.reason or "")
            spent = await studio.wing.studio.table.spent()
            assert spent.all == job.price
        else:
            assert (job.state, charges) == (StudioState.DONE, 1), job.reason
        kept = len(finder.kept) - 1 + len(videos.kept)
        assert kept == (job.state is StudioState.DONE and kind not in (StudioKind.TITLE, StudioKind.LENS))


async def test_a_lost_answer_is_looked_for_in_the_list_and_gone_on_with(
    studio: RunningStudio, host: StudioHost
) -> None:
    host.behave(Behaviour(no_answer=True, times=1), path=PREDICTIONS)
    job = await studio.ended(await studio.ask("Neo"))
    assert (job.state, host.state.charged) == (StudioState.DONE, {"Neo of The Matrix": 1})
    host.behave(Behaviour(reset=True, times=1), path="/dream-machine/v1/generations/video")
    arguments = {"prompt": "Turn", "upload": await studio.upload(PICTURE)}
    video = await studio.ended(await studio.wing.studio.ask(StudioKind.VIDEO, arguments))
    assert (video.state, host.state.charged["Turn"]) == (StudioState.DONE, 1)
    assert studio.videos.kept == {video.id: host.state.result_url}
    assert video.said("sent_url").startswith(
        f"https://pictures.example/api/image-no-auth/{video.said('upload')}.jpg?exp="
    )


BAD_ANSWERS = {
    "nothing": Behaviour(no_answer=True, times=1),
    "a reset": Behaviour(reset=True, times=1),
    "an error": Behaviour.failing(500, times=1),
    "nonsense": Behaviour(body=b"<html>", times=1),
    "another shape": Behaviour(body=b'{"id": ["a"], "choices": [], "predictions": 7}', times=1),
    "half an answer": Behaviour(cut_after_bytes=5, times=1),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS)
async def test_where_nobody_knows_what_became_of_it_it_is_perhaps_paid_and_never_sent_again_by_itself(
    studio: RunningStudio, host: StudioHost, bad: str
) -> None:
    host.state.listed = False
    ask, ended = studio.wing.studio.ask, studio.ended
    asked = []
    for kind, path, arguments in (
        (
            StudioKind.EDIT,
            "/v1/publishers/google/models/imagen-3.0-capability-001:predict",
            {"prompt": "Red"},
        ),
        (StudioKind.TITLE, "/v1/chat/completions", {}),
        (StudioKind.LENS, "/search.json", {"url": "https://elsewhere.example/one.jpg"}),
        (StudioKind.GENERATE, PREDICTIONS, {"prompt": "Neo"}),
    ):
        host.behave(BAD_ANSWERS[bad], path=path)
        picture = PICTURE if kind in (StudioKind.EDIT, StudioKind.TITLE) else None
        asked.append(await ended(await ask(kind, arguments, picture=picture)))
    assert {job.state for job in asked} == {StudioState.PERHAPS_PAID}
    assert len(host.state.charges) == 4
    assert await ask(StudioKind.GENERATE, {"prompt": "Neo"}) == await studio.job(asked[-1])
    await studio.wing.studio.engine.beat()
    assert studio.wing.troubles() == {
        "perhaps_paid": "4 perhaps paid, and wait for somebody's word: GET /api/v1/admin/studio/jobs?state=perhaps_paid"
    }
    assert (await studio.wing.studio.table.spent()).all == sum(job.price for job in asked)


async def test_a_person_says_what_became_of_what_is_perhaps_paid(
    studio: RunningStudio, host: StudioHost
) -> None:
    host.state.listed = False
    jobs = []
    for name in ("Neo", "Trinity", "Morpheus"):
        host.behave(Behaviour(no_answer=True, times=1), path=PREDICTIONS)
        jobs.append(await studio.ended(await studio.ask(name)))
    table, decided = studio.wing.studio.table, studio.wing.studio.decided
    price = jobs[0].price
    assert (await table.spent()).all == 3 * price
    paid = await decided(jobs[0].id, "paid")
    assert paid
    assert (paid.state, paid.reason) == (StudioState.FAILED, "It was paid, and its result is lost.")
    assert await decided(jobs[1].id, "give_up")
    assert (await table.spent()).all == 2 * price
    assert await decided(jobs[2].id, "again")
    assert (await studio.ended(jobs[2])).state is StudioState.DONE
    assert (await table.spent()).all == 3 * price
    assert host.state.charged["Morpheus of The Matrix"] == 2
    assert await decided(jobs[2].id, "again") is None


async def test_what_a_service_refuses_is_not_paid_and_says_why(
    studio: RunningStudio, host: StudioHost
) -> None:
    host.refuses = Said({"detail": "Input is\nnot\u202e allowed <b>" + "!" * 5000}, 422)
    job = await studio.ended(await studio.ask("Neo"))
    assert (job.state, host.state.charges) == (StudioState.FAILED, [])
    assert job.reason
    assert job.reason.startswith("Replicate refused it (422): ")
    assert len(job.reason) < 300
    assert job.reason.isprintable()
    assert (await studio.wing.studio.table.spent()).all == 0
    host.refuses = None
    assert (await studio.ended(await studio.ask("Neo"))).state is StudioState.DONE


async def test_a_service_that_nobody_reaches_was_paid_nothing(
    tmp_path: Path, host: StudioHost, unused_tcp_port: int
) -> None:
    away = OpenAiSettings(key=SecretStr(TOKEN), base_url=f"http://127.0.0.1:{unused_tcp_port}")
    async with running_studio(tmp_path, host, openai=away) as studio:
        job = await studio.ended(await studio.wing.studio.ask(StudioKind.TITLE, {}, picture=PICTURE))
        assert (job.state, "could not be reached" in (job.reason or "")) == (StudioState.FAILED, True)
        assert (await studio.wing.studio.table.spent()).all == 0


async def test_a_busy_service_is_asked_again_when_it_says_and_nothing_is_paid_meanwhile(
    tmp_path: Path, host: StudioHost, made: tuple[str, ...]
) -> None:
    clock = Clock()
    async with running_studio(tmp_path, host, clock=clock, allow_private=made) as studio:
        host.refuses = Said({"detail": "throttled"}, 429, {"Retry-After": "120"})
        job = await studio.ask("Neo")

        async def put_off() -> bool:
            found = await studio.job(job)
            return found.not_before is not None and found.claimed_by is None

        await until(put_off, every_s=0.01)
        assert (await studio.wing.studio.table.spent()).all == 0
        host.refuses = None
        assert await studio.wing.studio.table.claim(3) is None
        clock.ahead = timedelta(seconds=121)
        studio.wing.studio.engine.wake.set()
        assert (await studio.ended(job)).state is StudioState.DONE


async def test_a_service_that_fails_after_it_was_paid_says_why_in_a_line(
    studio: RunningStudio, host: StudioHost
) -> None:
    host.state.fails = "NSFW\n<script>alert(1)</script>" + "x" * 10_000
    upload = await studio.upload(PICTURE)
    ask = studio.wing.studio.ask
    for kind, arguments, picture in (
        (StudioKind.GENERATE, {"prompt": "Neo"}, None),
        (StudioKind.VIDEO, {"prompt": "Neo", "upload": upload}, None),
        (StudioKind.EDIT, {"prompt": "Red"}, PICTURE),
        (StudioKind.TITLE, {}, PICTURE),
        (StudioKind.LENS, {"url": "https://elsewhere.example/1.jpg"}, None),
    ):
        job = await studio.ended(await ask(kind, arguments, picture=picture))
        assert job.state is StudioState.FAILED
        assert "NSFW <script>" in (job.reason or "")
        assert len(job.reason or "") < 600
    assert (await studio.wing.studio.table.spent()).all > 0


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest/meta-data", "http://127.0.0.1:9/x.png", "file:///etc/passwd"]
)
async def test_a_result_at_a_private_address_is_paid_not_fetched_and_can_be_fetched_again_for_nothing(
    studio: RunningStudio, host: StudioHost, picture_host: PictureHost, url: str
) -> None:
    good, host.state.result_url = host.state.result_url, url
    job = await studio.ended(await studio.ask("Neo"))
    assert (job.state, studio.finder.kept) == (StudioState.UNFETCHED, {})
    assert (job.reason or "").startswith("It was paid, and not fetched. ")
    assert await studio.ask("Neo") == await studio.job(job)
    host.state.result_url = good
    assert await studio.wing.studio.fetch_again(job.id)
    assert (await studio.ended(job)).state is StudioState.DONE
    assert host.state.charged == {"Neo of The Matrix": 1}
    assert await studio.wing.studio.fetch_again(job.id) is None
    assert [one.path for one in picture_host.requests] == ["/made.png"]


async def test_a_result_that_leads_to_a_private_address_is_not_fetched(
    studio: RunningStudio, picture_host: PictureHost
) -> None:
    picture_host.behave("/made.png", Behaviour.redirecting("http://127.0.0.1:9/x.png"))
    job = await studio.ended(await studio.ask("Neo"))
    assert job.reason == "It was paid, and not fetched. It lies at a private address."


async def test_what_was_made_in_the_answer_is_kept_until_it_can_be_stored(
    studio: RunningStudio, host: StudioHost
) -> None:
    refused = Failure.after(None, FailureClass.UNSOUND, "It is no picture.", now=utc_now())
    studio.finder.refuses = refused
    job = await studio.ended(
        await studio.wing.studio.ask(StudioKind.EDIT, {"prompt": "Red"}, picture=PICTURE)
    )
    assert (job.state, "It is no picture." in (job.reason or "")) == (StudioState.UNFETCHED, True)
    studio.finder.refuses = None
    studio.finder.fails = [QueueError("away"), OSError("full")]
    assert await studio.wing.studio.fetch_again(job.id)
    assert (await studio.ended(job)).state is StudioState.DONE
    assert studio.finder.kept == {f"anonymous_{job.id}": PICTURE}
    assert len(host.state.charges) == 1
    assert await studio.wing.studio.table.held(job.id) is None


async def test_who_is_slow_beyond_patience_is_told_of_and_can_be_looked_at_again(
    tmp_path: Path, host: StudioHost, made: tuple[str, ...]
) -> None:
    host.state.polls_needed = 10**9
    async with running_studio(tmp_path, host, allow_private=made, patience_s=0.05) as studio:
        job = await studio.ended(await studio.ask("Neo"))
        assert job.state is StudioState.UNFETCHED
        host.state.polls_needed = 0
        assert await studio.wing.studio.fetch_again(job.id)
        assert (await studio.ended(job)).state is StudioState.DONE
    assert len(host.state.charges) == 1


async def test_a_job_is_cancelled_at_once_where_nothing_was_sent_and_at_the_service_where_it_was(
    tmp_path: Path, host: StudioHost, made: tuple[str, ...]
) -> None:
    host.state.polls_needed = 10**9
    async with running_studio(tmp_path, host, allow_private=made, at_once=1) as studio:
        running = await studio.ended(await studio.ask("Neo"), StudioState.RUNNING)
        waiting = await studio.ask("Trinity")
        ended = await studio.wing.studio.cancel(waiting.id)
        assert ended
        assert ended.state is StudioState.CANCELLED
        await studio.wing.studio.cancel(running.id)
        running = await studio.ended(running)
        assert (running.state, host.state.cancelled) == (StudioState.CANCELLED, [running.provider_id])
        assert "counts as paid" in (running.reason or "")
        assert (await studio.wing.studio.table.spent()).all == running.price
    assert host.state.charged == {"Neo of The Matrix": 1}


async def test_a_hundred_jobs_three_at_once_with_a_restart_are_each_done_once_what_is_looked_at_most_first(
    tmp_path: Path, host: StudioHost, made: tuple[str, ...]
) -> None:
    """A job that was begun before the restart may end behind one that was begun after it."""
    finder = FakeFinder()
    async with running_studio(tmp_path, host, working=False, finder=finder, allow_private=made) as studio:
        for number in range(100):
            await studio.ask(f"{number:03}", looked_at=0)
        for number in range(0, 100, 7):
            for _ in range(number // 7 + 1):
                await studio.ask(f"{number:03}")
    looked_at = {number: number // 7 + 1 if number % 7 == 0 else 0 for number in range(100)}
    order = [
        f"{number:03} of The Matrix" for number in sorted(looked_at, key=lambda one: (-looked_at[one], one))
    ]
    host.state.polls_needed = 1
    gate = host.hold(f"/v1/predictions/rep{40:06}")
    async with running_studio(tmp_path, host, finder=finder, allow_private=made) as studio:
        await gate.arrived()
    gate.open()
    host.state.polls_needed = 0
    async with running_studio(tmp_path, host, finder=finder, allow_private=made) as studio:

        async def all_done() -> bool:
            found = await studio.wing.studio.table.listed(states=[StudioState.DONE], limit=200, offset=0)
            return len(found) == 100

        await until(all_done, within_s=60, every_s=0.05)
    sent = [charge.about for charge in host.state.charges]
    assert (len(sent), len(set(sent))) == (100, 100)
    places = {about: place for place, about in enumerate(sent)}
    assert all(abs(places[about] - place) <= 3 for place, about in enumerate(order))
    assert len(finder.kept) == 100


async def test_no_more_are_under_way_than_may_be(
    tmp_path: Path, host: StudioHost, made: tuple[str, ...]
) -> None:
    host.state.polls_needed = 10**9
    async with running_studio(tmp_path, host, allow_private=made, at_once=2) as studio:
        jobs = [await studio.ask(str(number)) for number in range(5)]
        for job in jobs[:2]:
            await studio.ended(job, StudioState.RUNNING)
        await studio.wing.studio.engine.take()
        assert [(await studio.job(job)).state for job in jobs[2:]] == [StudioState.WAITING] * 3
        assert await studio.wing.studio.table.ahead_of(jobs[4]) == 2


async def test_what_may_be_spent_in_a_day_is_counted_by_user_and_in_all_and_ends_with_the_day(
    tmp_path: Path, host: StudioHost, made: tuple[str, ...]
) -> None:
    clock = Clock()
    settings: dict[str, Any] = {"budget": 0.01, "user_budget": 0.004, "prices": "generate:0.002"}
    async with running_studio(tmp_path, host, clock=clock, allow_private=made, **settings) as studio:
        for number in range(2):
            await studio.ended(await studio.ask(f"of one {number}", user="one"))
        with pytest.raises(Problem) as of_user:
            await studio.ask("one more", user="one")
        assert (of_user.value.status, "STUDIO_USER_BUDGET" in of_user.value.detail) == (429, True)
        assert 0 < int(of_user.value.headers["Retry-After"]) <= 86_400
        for number in range(3):
            await studio.ended(await studio.ask(f"of all {number}"))
        with pytest.raises(Problem, match="STUDIO_BUDGET"):
            await studio.ask("one more", user="two")
        spent = await studio.wing.studio.table.spent()
        assert (spent.all, spent.by_service, spent.by_user) == (10_000, {"replicate": 10_000}, {"one": 4_000})
        known = await studio.ask("of one 0", user="one")
        assert known.state is StudioState.DONE
        clock.ahead = timedelta(days=1)
        assert (await studio.ended(await studio.ask("one more", user="one"))).state is StudioState.DONE


async def test_what_waits_when_the_budget_is_spent_waits_for_the_next_day(
    tmp_path: Path, host: StudioHost, made: tuple[str, ...]
) -> None:
    clock = Clock()
    async with running_studio(tmp_path, host, working=False, prices="generate:0.002") as studio:
        jobs = [await studio.ask(str(number)) for number in range(2)]
    async with running_studio(
        tmp_path, host, clock=clock, allow_private=made, prices="generate:0.002", budget=0.003
    ) as studio:
        await studio.ended(jobs[0])

        async def put_off() -> bool:
            found = await studio.job(jobs[1])
            return found.not_before is not None and found.claimed_by is None

        await until(put_off, every_s=0.01)
        waits = await studio.job(jobs[1])
        assert (waits.state, "STUDIO_BUDGET" in (waits.reason or "")) == (StudioState.WAITING, True)
        clock.ahead = timedelta(days=1)
        studio.wing.studio.engine.wake.set()
        assert (await studio.ended(jobs[1])).state is StudioState.DONE


async def test_without_a_key_what_needs_it_is_off_and_names_the_setting(
    tmp_path: Path, host: StudioHost
) -> None:
    nobody: dict[str, Any] = {"google": GoogleSettings(key=None), "serpapi": SerpApiSettings(key=None)}
    async with running_studio(tmp_path, host, **nobody) as studio:
        with pytest.raises(Problem, match="GOOGLE_API_KEY is not set") as off:
            await studio.wing.studio.ask(StudioKind.EDIT, {"prompt": "Red"}, picture=PICTURE)
        assert off.value.status == 503
        assert studio.wing.troubles() == {
            "edit": "off: GOOGLE_API_KEY is not set.",
            "lens": "off: SERPAPI_KEY is not set.",
            "images": "off: SERPAPI_KEY is not set.",
        }


async def test_a_picture_that_a_service_cannot_ask_us_for_is_not_sent(
    tmp_path: Path, host: StudioHost
) -> None:
    async with running_studio(tmp_path, host, public_url="") as studio:
        arguments = {"prompt": "Turn", "upload": await studio.upload(PICTURE)}
        job = await studio.ended(await studio.wing.studio.ask(StudioKind.VIDEO, arguments))
        assert (job.state, "PUBLIC_URL" in (job.reason or "")) == (StudioState.FAILED, True)
    assert host.state.charges == []


async def test_a_picture_by_words_is_searched_for_once_and_an_unknown_one_is_empty(
    studio: RunningStudio, host: StudioHost
) -> None:
    host.state.pictures = [
        {"image": "javascript:alert(1)"},
        {"image": "https://pictures.example/neo.jpg", "title": "Neo"},
    ]
    search = studio.wing.studio.searched_picture
    assert await search("Neo", may_pay=False) == ""
    assert await search("Neo", may_pay=True) == "https://pictures.example/neo.jpg"
    host.state.pictures = []
    assert await search(" neo ", may_pay=True) == "https://pictures.example/neo.jpg"
    assert await search("Neo", may_pay=False) == "https://pictures.example/neo.jpg"
    assert await search("Trinity", may_pay=True) == ""
    assert len(host.state.charges) == 2
    await studio.wing.studio.table.forget_old()
    found = await studio.wing.studio.table.listed(states=[], limit=10, offset=0)
    assert {job.said("key") for job in found} == {
        "search:profile_image:query:neo",
        "search:profile_image:query:trinity",
    }


async def test_matches_of_a_picture_are_bounded_texts_and_urls_and_nothing_else(
    studio: RunningStudio, host: StudioHost
) -> None:
    host.state.matches = [
        {
            "title": "<b>x</b>" * 1000,
            "link": "https://one.example/",
            "thumbnail": "data:image/png;base64,x",
            "price": {},
        },
        {"title": "No link", "link": "javascript:alert(1)"},
        "nonsense",
        *({"title": str(n), "link": f"https://one.example/{n}"} for n in range(200)),
    ]
    job = await studio.ended(
        await studio.wing.studio.ask(StudioKind.LENS, {"url": "https://elsewhere.example/1.jpg"})
    )
    results = (job.result or {})["results"]
    assert isinstance(results, list)
    assert len(results) == 58
    assert set(results[0]) == {"title", "link"}
    assert len(results[0]["title"]) == asking.LONGEST_TEXT


async def test_several_enrichers_share_the_seats_and_what_one_leaves_another_goes_on_with(
    tmp_path: Path, host: StudioHost, made: tuple[str, ...]
) -> None:
    host.state.polls_needed = 10**9
    clock = Clock()
    async with running_studio(tmp_path, host, allow_private=made, at_once=1) as one:
        job = await one.ended(await one.ask("Neo"), StudioState.RUNNING)
        await one.ask("Trinity")
        other = StudioTable(
            one.database, owner="another", caps=Caps(0, 0), stale_after=timedelta(seconds=30), now=clock.now
        )
        assert await other.claim(1) is None
        clock.ahead = timedelta(minutes=1)
        taken = await other.claim(1)
        assert taken
        assert (taken.id, taken.state) == (job.id, StudioState.RUNNING)
        engine = one.wing.studio.engine
        engine.hear_cancelled(job.id)  # by whoever has lost it: nothing is written

        async def is_let_go() -> bool:
            return job.id not in engine._working

        await until(is_let_go, every_s=0.01)
        assert (await one.job(job)).state is StudioState.RUNNING
