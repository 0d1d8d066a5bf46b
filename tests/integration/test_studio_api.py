"""The studio by HTTP: as SceneXtras has it, with jobs; pictures through the fetcher and out by the proxy; characters that had none."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import quote

import aiohttp
import jwt
import pytest
import pytest_asyncio
from PIL import Image
from pydantic import SecretStr

from services.enricher.api.users import UserSettings
from services.enricher.characters import CharacterSettings
from services.enricher.pictures.shown import PictureUrlSettings
from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.contracts import StudioProgressed
from shared.telemetry import utc_now
from tests.integration.enricher import ADMIN, Reply, RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.integration.studio import FakeVideos, studio_settings
from tests.providers.behaviour import Behaviour
from tests.providers.drawing import encode, photo
from tests.providers.metadata_host import Said
from tests.providers.picture_host import PictureHost
from tests.providers.studio import StudioHost
from tests.providers.tmdb import TmdbHost

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEYS, SECRET = ("a key of uploads",), "a secret that is long enough to be one"
PUBLIC = "https://pictures.example"
PICTURE = encode(photo(7, (60, 90)), "png")
JOBS = "/api/v1/studio/jobs"


@dataclass
class Site:
    running: RunningEnricher
    host: StudioHost
    tmdb: TmdbHost
    pictures: PictureHost
    videos: FakeVideos

    async def post(self, path: str, json: object, headers: dict[str, str] = ADMIN) -> Reply:
        return await self.running.ask("POST", path, headers=headers, json=json)

    async def job(self, id_: str) -> Any:
        return (await self.running.ask("GET", f"{JOBS}/{id_}", headers=ADMIN)).json

    async def ended(self, id_: str) -> Any:
        found: dict[str, Any] = {}

        async def has() -> bool:
            found.update(await self.job(id_))
            return found["finished_at"] is not None

        await until(has, within_s=60, every_s=0.05)
        return found

    async def upload(self, **given: object) -> str:
        url = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
        reply = await self.post("/upload-character-image", {"image": url, **given})
        assert reply.status == 200, reply.json
        return str(reply.json["filename"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    directory = tmp_path_factory.mktemp("studio")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "RENDER_PROCESSES": "1",
            "DISK_FREE_FLOOR_GB": "0",
            "ENABLE_IMAGE_OPTIMIZATION": "false",
        }.items():
            patch.setenv(name, value)
        patch.setattr("services.enricher.studio.engine.BEAT_S", 0.1)
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            host = await enter(StudioHost.running())
            tmdb = await enter(TmdbHost.running(requests=1000))
            pictures = await enter(PictureHost.running())
            videos = FakeVideos()
            pictures.put("/made.png", PICTURE)
            host.state.result_url, host.state.edited = pictures.url("/made.png"), PICTURE
            running = await enter(
                running_enricher(
                    directory,
                    tmdb=tmdb,
                    fetcher=FetcherSettings(),
                    proxy=ProxySettings(upload_signing_keys=KEYS),
                    urls=PictureUrlSettings(upload_signing_keys=KEYS, public_url=PUBLIC),
                    users=UserSettings(secret=SecretStr(SECRET)),
                    characters=CharacterSettings(
                        folder=directory / "own" / "characters", own_folder=directory / "own"
                    ),
                    studio=studio_settings(
                        host, allow_private=(pictures.url("").removeprefix("http://").rstrip("/"),)
                    ),
                    videos=videos,
                )
            )
            yield Site(running, host, tmdb, pictures, videos)


@pytest.fixture(autouse=True)
def _well_behaved(site: Site) -> None:
    state = site.host.state
    state.charges.clear()
    state.fails, state.polls_needed, state.listed = None, 0, True
    site.host.refuses = None


def of_user(user: str) -> dict[str, str]:
    claims = {"sub": user, "exp": utc_now().timestamp() + 60}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}


async def served(site: Site, url: str) -> bytes:
    status, body = await site.running.picture(url.removeprefix(PUBLIC))
    assert status == 200, url
    return body


async def test_a_character_that_nobody_has_a_picture_of_gets_one_with_the_score_80_and_keeps_it(
    site: Site,
) -> None:
    path = f"/api/v1/characters/image?name=Nobody&movie_title={quote('No such title')}"
    without = (await site.running.get(path)).json
    assert (without["success"], site.host.state.charges) == (False, [])
    made = (await site.running.ask("GET", path, headers=ADMIN)).json
    assert (made["success"], made["source"], made["quality_score"]) == (True, "ai_generated", 80)
    assert made["profile_path"].startswith("anonymous_")
    with Image.open(BytesIO(await served(site, made["image_url"]))) as image:
        assert (image.format, image.size) == ("JPEG", (60, 90))
    again = (await site.running.get(path)).json
    assert (again["cache_hit"], again["image_url"]) == (True, made["image_url"])
    assert site.host.state.charged == {"Nobody of No such title": 1}


async def test_who_does_not_wait_for_a_picture_of_a_character_finds_it_later(site: Site) -> None:
    gate = site.host.hold("/v1/models/black-forest-labs/flux-schnell/predictions")
    async with site.running.heard() as events:
        begun = await site.post(
            "/api/v1/studio/generate?wait=0", {"name": "Slow", "movie_title": "Some title"}
        )
        assert (begun.status, begun.json["kind"]) == (202, "generate")
        assert begun.headers["Location"] == f"{JOBS}/{begun.json['id']}"
        await gate.arrived()
        gate.open()
        ended = await site.ended(begun.json["id"])
        assert (ended["state"], ended["done"], ended["total"]) == ("done", 4, 4)

        def told() -> list[str]:
            mine = [event for event in events if isinstance(event, StudioProgressed)]
            return [event.state for event in mine if event.job == begun.json["id"]]

        async def all_told() -> bool:
            return told()[-1:] == ["done"]

        await until(all_told, every_s=0.02)
    path = f"/api/v1/characters/image?name=Slow&movie_title={quote('Some title')}"
    found = (await site.running.get(path)).json
    assert (found["source"], found["profile_path"]) == ("ai_generated", ended["result"]["filename"])
    assert len(site.host.state.charges) == 1


async def test_a_picture_is_edited_by_words_whether_it_is_ours_or_in_the_request(site: Site) -> None:
    data_url = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    edited = await site.post("/edit-image", {"prompt": "Make it red", "image": data_url})
    assert edited.status == 200, edited.json
    assert edited.json["filename"].startswith("anonymous_")
    assert (
        edited.json["url"]
        == edited.json["image_url"]
        == f"{PUBLIC}/api/image-no-auth/{edited.json['filename']}"
    )
    assert (await served(site, edited.json["url"]))[:3] == b"\xff\xd8\xff"
    again = await site.post("/edit-image", {"prompt": "Make it red", "image": data_url})
    assert (again.json, len(site.host.state.charges)) == (edited.json, 1)
    ours = await site.post("/edit-image", {"prompt": "Make it blue", "image": edited.json["filename"]})
    assert (ours.status, len(site.host.state.charges)) == (200, 2)
    await site.running.manage("DELETE", f"/api/images/uploads/{edited.json['filename']}")
    anew = await site.post("/edit-image", {"prompt": "Make it red", "image": data_url})
    assert anew.json["filename"] != edited.json["filename"]


async def test_pictures_that_may_not_be_sent_are_refused_before_anything_is_paid(site: Site) -> None:
    for image, status in (
        ("https://elsewhere.example/one.png", 403),
        ("http://169.254.169.254/latest", 403),
        ("no_such_file.jpg", 403),
        ("data:image/png;base64,????", 400),
        (f"data:image/png;base64,{base64.b64encode(b'<svg/>').decode()}", 415),
        ("data:image/png;base64,", 400),
    ):
        refused = await site.post("/edit-image", {"prompt": "Make it red", "image": image})
        assert refused.status == status, (image, refused.json)
    private = await site.upload(private=True)
    asked = {"prompt": "Make it red", "image": private}
    assert (await site.post("/edit-image", asked, of_user("stranger"))).status == 404
    assert (await site.post("/search", {"url": private}, of_user("stranger"))).status == 404
    assert (await site.post("/search", {"url": "javascript:alert(1)"})).status == 400
    assert site.host.state.charges == []


async def test_a_video_is_made_of_a_private_picture_that_the_service_asks_for_by_a_url_that_ends(
    site: Site,
) -> None:
    private = await site.upload(private=True)
    order = {"filename": private, "prompt": "Turn around", "camera_concepts": ["dolly_zoom"]}
    made = await site.post("/convert-to-video", order)
    assert made.status == 200, made.json
    job = made.json["filename"].removesuffix(".mp4")
    assert made.json["video_url"] == f"{PUBLIC}/videos/{job}.mp4"
    assert site.videos.kept[job] == site.host.state.result_url
    sent = site.host.state.made[made.json["generation_id"]]["request"]
    assert (sent["prompt"], sent["concepts"]) == ("Turn around", [{"key": "dolly_zoom"}])
    url = sent["keyframes"]["frame0"]["url"]
    assert (await served(site, url))[:3] == b"\xff\xd8\xff"
    assert (await site.running.picture(f"/api/image-no-auth/{private}"))[0] == 403
    public = await site.upload()
    assert (await site.post("/convert-to-video", order | {"filename": public})).status == 200
    sent = list(site.host.state.made.values())[-1]["request"]
    assert (await served(site, sent["keyframes"]["frame0"]["url"]))[:3] == b"\xff\xd8\xff"
    for wrong, status in (({"filename": "anonymous_none.jpg"}, 404), ({"camera_concepts": ["../x"]}, 400)):
        assert (await site.post("/convert-to-video", order | wrong)).status == status


async def test_a_title_is_read_from_a_form_and_looked_up(site: Site) -> None:
    site.host.state.read_title = lambda _: "The movie 7"
    entry = {"id": 7, "media_type": "movie", "title": "The movie 7", "poster_path": "/poster7.jpg"}
    page = {"page": 1, "total_pages": 1, "total_results": 1, "results": [entry]}
    site.tmdb.put("/3/search/multi", Said(page))
    form = aiohttp.FormData()
    form.add_field("file", PICTURE, filename="poster.png", content_type="image/png")
    told = await site.running.ask("POST", "/extract-title/", headers=ADMIN, data=form)
    assert told.status == 200, told.json
    assert (told.json["extracted_title"], told.json["likeness"]) == ("The movie 7", 100.0)
    result = told.json["tmdb_result"]
    assert (result["id"], result["title"], result["media_type"]) == (7, "The movie 7", "movie")
    assert result["poster_path"].startswith("http")
    assert result["poster_path"].endswith("/w500/poster7.jpg")
    assert result["cast"][0]["name"] == "Person 1"


async def test_a_search_by_a_picture_is_answered_and_an_upload_has_results_too(site: Site) -> None:
    site.host.state.matches = [{"title": "A page", "link": "https://one.example/page", "source": "One"}]
    found = await site.post("/search", {"image_url": "https://elsewhere.example/one.jpg"})
    assert (found.status, found.json["results"]) == (200, site.host.state.matches)
    url = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"
    uploaded = await site.post("/upload-image", {"image": url})
    assert (uploaded.json["results"], uploaded.json["results_reason"]) == (site.host.state.matches, "")
    asked_for = site.host.state.charges[-1].about
    assert asked_for.startswith(f"{PUBLIC}/api/image-no-auth/{uploaded.json['filename']}?exp=")
    site.host.refuses = Said({"error": "Your account has run out of searches."}, 403)
    refused = await site.post("/upload-image", {"image": url})
    assert (refused.status, refused.json["results"]) == (200, None)
    assert "run out of searches" in refused.json["results_reason"]


async def test_a_member_of_a_cast_whom_nobody_has_a_picture_of_is_searched_for_once(site: Site) -> None:
    site.host.state.pictures = [{"image": "https://pictures.example/rare.jpg", "title": "Rare"}]
    path = "/api/v1/characters/profile-image?media_id=1&actor_id=2&character=Rare&actor=Somebody"
    assert (await site.running.get(path)).json == {"image_url": None}
    for headers in (ADMIN, ADMIN, {}):
        found = await site.running.ask("GET", path, headers=headers)
        assert found.json == {"image_url": "https://pictures.example/rare.jpg"}
    assert [charge.about for charge in site.host.state.charges] == ["rare somebody"]
    asked = await site.post("/api/v1/studio/image-search", {"query": "Rare Somebody"})
    assert asked.json == {"image_url": "https://pictures.example/rare.jpg"}
    assert len(site.host.state.charges) == 1


async def test_what_is_perhaps_paid_is_told_at_readyz_and_waits_for_an_admin(site: Site) -> None:
    site.host.state.listed = False
    path = "/v1/models/black-forest-labs/flux-schnell/predictions"
    site.host.behave(Behaviour(no_answer=True, times=1), path=path)
    order = {"name": "Perhaps", "movie_title": "Some title"}
    lost = await site.post("/api/v1/studio/generate", order)
    assert (lost.status, "may have been paid" in lost.json["detail"]) == (409, True)
    listed = (await site.running.manage("GET", "/api/v1/admin/studio/jobs?state=perhaps_paid")).json["jobs"]
    job = next(one["id"] for one in listed if one["id"] in lost.json["detail"])

    async def told() -> bool:
        notes = (await site.running.get("/readyz")).json
        return "perhaps_paid" in notes.get("studio", {})

    await until(told, every_s=0.2)
    decide = f"/api/v1/admin/studio/jobs/{job}/decide"
    assert (await site.post(decide, {"decision": "again"}, of_user("one"))).status == 403
    assert (await site.post(decide, {"decision": "perhaps"})).status == 400
    assert (await site.post(decide, {"decision": "again"})).status == 200
    assert (await site.ended(job))["state"] == "done"
    assert len(site.host.state.charges) == 2
    assert (await site.post(decide, {"decision": "again"})).status == 409
    spent = (await site.running.manage("GET", "/api/v1/admin/studio/spending")).json
    assert spent["spent"] == pytest.approx(sum(spent["by_service"].values()))
    assert spent["prices"]["video"] == 0.71


async def test_jobs_are_for_who_may_use_the_studio_and_cancelled_by_who_asked(site: Site) -> None:
    site.host.state.polls_needed = 10**9
    mine = of_user("one")
    order = {"name": "Mine", "movie_title": "Some title"}
    begun = await site.post("/api/v1/studio/generate?wait=0", order, mine)
    assert begun.status == 202, begun.json
    path = f"{JOBS}/{begun.json['id']}"
    assert (await site.running.get(path)).status == 401
    assert (await site.running.ask("GET", path, headers=of_user("two"))).json["kind"] == "generate"
    assert (await site.post(f"{path}/cancel", None, of_user("two"))).status == 403
    assert (await site.post(f"{path}/cancel", None, mine)).status == 200
    assert (await site.ended(begun.json["id"]))["state"] == "cancelled"
    assert (await site.running.ask("GET", "/api/v1/admin/studio/jobs", headers=mine)).status == 403
    assert (await site.running.manage("GET", f"{JOBS}/{'0' * 8}-0000-0000-0000-{'0' * 12}")).status == 404


async def test_pictures_are_made_in_bulk_for_who_has_none(site: Site) -> None:
    listed = [{"name": name, "movie_title": "A bulk title"} for name in ("First", "Second", "First")]
    started = await site.post("/api/v1/admin/studio/bulk", {"characters": listed})
    assert started.status == 202, started.json

    async def has_ended() -> bool:
        task = (await site.running.manage("GET", f"/api/v1/admin/tasks/{started.json['id']}")).json
        return task["state"] not in ("queued", "running")

    await until(has_ended, within_s=60, every_s=0.05)
    items = await site.running.items(started.json["id"])
    assert [(one["name"], one["outcome"]) for one in items] == [
        ("First / A bulk title", "made"),
        ("Second / A bulk title", "made"),
    ]
    assert len(site.host.state.charges) == 2
    nobody = await site.post("/api/v1/admin/studio/bulk", {"movie_title": "Nobody knows it"})
    assert nobody.status == 404
    assert (await site.post("/api/v1/admin/studio/bulk", {})).status == 400
