"""What users upload: kept as JPEG, found by a name that nobody guesses, counted, private or shown to all; and avatars."""

import base64
import json
import re
import time
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from PIL import Image, ImageStat
from pydantic import SecretStr
from yarl import URL

from services.enricher.api.users import UserSettings
from services.enricher.pictures.shown import PictureUrlSettings
from services.enricher.uploads import UploadSettings
from services.enricher.uploads.uploads import avatar_name, upload_name
from services.fetcher.settings import FetcherSettings
from services.proxy.settings import ProxySettings
from shared.http.signatures import Signatures
from tests.integration.enricher import ADMIN, Reply, RunningEnricher, running_enricher
from tests.integration.onesheet import until
from tests.integration.test_uploads import SECRET as PLACE
from tests.integration.test_uploads import a_photo
from tests.providers.drawing import encode, photo

SECRET = "a secret that is long enough to be one"
KEYS = ("a key of uploads",)
UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
CHARACTER, IMAGE, AVATAR = "/upload-character-image", "/upload-image", "/upload-avatar"


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningEnricher]:
    monkeypatch.setenv("RENDER_PROCESSES", "1")
    monkeypatch.setenv("DISK_FREE_FLOOR_GB", "0")
    monkeypatch.setenv("ENABLE_IMAGE_OPTIMIZATION", "false")
    async with running_enricher(
        tmp_path,
        fetcher=FetcherSettings(),
        proxy=ProxySettings(upload_signing_keys=KEYS),
        urls=PictureUrlSettings(upload_signing_keys=KEYS),
        users=UserSettings(secret=SecretStr(SECRET)),
        uploads=UploadSettings(limit_gb=3 / 1024, user_limit_mb=1),
        api_tokens=("a-program",),
    ) as running:
        yield running


def signed_in(user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {jwt.encode({'sub': user, 'exp': time.time() + 60}, SECRET)}"}


def data_url(body: bytes, kind: str = "jpeg") -> dict[str, Any]:
    return {"image": f"data:image/{kind};base64,{base64.b64encode(body).decode()}"}


def a_transparent_png() -> bytes:
    image = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (20, 10, 40, 30))
    return encode(image, "png")


async def post(site: RunningEnricher, path: str, headers: dict[str, str], **given: Any) -> Reply:
    return await site.ask("POST", path, headers=headers, **given)


async def fetched(site: RunningEnricher, url: str) -> tuple[int, Any, bytes]:
    async with site.client.get(site.address + url) as answer:
        return answer.status, answer.headers, await answer.read()


async def gone(site: RunningEnricher, url: str) -> None:
    async def is_gone() -> bool:
        return (await fetched(site, url))[0] == 404

    await until(is_gone, every_s=0.05)


async def test_whatever_is_sent_is_kept_as_a_jpeg_over_white_and_listed_for_admins_alone(
    site: RunningEnricher,
) -> None:
    program = {"Authorization": "Bearer a-program"}
    sent = await post(site, CHARACTER, program, json=data_url(a_transparent_png(), "png"))
    assert sent.status == 200, sent.json
    assert re.fullmatch(rf"anonymous_{UUID}\.jpg", sent.json["filename"])
    assert (sent.json["message"], sent.json["stored"]) == ("Image uploaded successfully", True)
    assert sent.json["url"] == f"/api/image-no-auth/{sent.json['filename']}"
    form = aiohttp.FormData()
    form.add_field("avatar", "false")
    form.add_field("file", a_photo(), filename="IMG_1.heic", content_type="image/heic")
    of_form = await post(site, IMAGE, signed_in("one"), data=form)
    assert re.fullmatch(rf"{UUID}\.jpg", of_form.json["filename"])
    assert (of_form.json["results"], "SERPAPI_KEY" in of_form.json["results_reason"]) == (None, True)
    named = await post(site, IMAGE, ADMIN, json=data_url(a_photo()) | {"avatar": True})
    assert named.json["filename"].startswith("avatar_")
    await site.manage("DELETE", f"/api/images/uploads/{named.json['filename']}")
    raw = await post(
        site,
        f"{IMAGE}?avatar=true",
        ADMIN | {"Content-Type": "image/avif"},
        data=encode(photo(4, (64, 48)), "avif"),
    )
    assert re.fullmatch(rf"avatar_{UUID}\.jpg", raw.json["filename"])
    for reply, size, corner in (
        (sent, (60, 40), (255, 255, 255)),
        (of_form, (640, 400), None),
        (raw, (64, 48), None),
    ):
        status, headers, body = await fetched(site, reply.json["url"])
        assert (status, headers["Content-Type"]) == (200, "image/jpeg")
        assert PLACE not in body
        with Image.open(BytesIO(body)) as image:
            assert (image.format, image.size) == ("JPEG", size)
            if corner:
                assert ImageStat.Stat(image.crop((0, 0, 8, 8))).mean == pytest.approx(corner, abs=3)
    listed = (await site.manage("GET", "/api/images")).json
    files = [reply.json["filename"] for reply in (raw, of_form, sent)]
    assert ([one["name"] for one in listed["images"]], listed["total"]) == (files, 3)
    assert [one["link"] for one in listed["images"]] == [f"/api/image-no-auth/{file}" for file in files]
    for headers in ({}, program, signed_in("one")):
        assert (await site.ask("GET", "/api/images", headers=headers)).status in (401, 403)


async def test_a_user_has_one_avatar_and_the_one_before_is_gone_everywhere(site: RunningEnricher) -> None:
    user = "auth0|7"
    first = await post(site, AVATAR, signed_in(user), json=data_url(a_photo()))
    assert (first.status, first.json["success"], first.json["stored"]) == (200, True, True)
    assert re.fullmatch(rf"avatar_sha256\.[0-9a-f]{{32}}_{UUID}\.jpg", first.json["filename"])
    assert first.json["imageUrl"] == f"/api/image-no-auth/{first.json['filename']}"
    other = await post(site, AVATAR, signed_in("two"), json=data_url(a_photo()))  # the same bytes
    shown = f"/api/v1/images/{avatar_name(user)}/original"
    before = await fetched(site, shown)
    assert before[0] == 200
    old = await site.volume.names.picture(avatar_name(user))
    second = await post(
        site, AVATAR, signed_in(user), json=data_url(encode(photo(9, (80, 80)), "png"), "png")
    )
    assert second.json["stored"], second.json
    new = await site.volume.names.picture(avatar_name(user))
    assert old
    assert new
    assert old != new
    await gone(site, first.json["imageUrl"])
    assert await site.volume.pictures.current(old) is None
    assert (await fetched(site, shown))[2] == (await fetched(site, second.json["imageUrl"]))[2] != before[2]
    me = (await site.get("/api/users/me", **signed_in(user))).json
    assert me == {
        "user_id": user,
        "avatar_url": second.json["imageUrl"],
        "avatar_name": str(avatar_name(user)),
    }
    assert (await fetched(site, other.json["imageUrl"]))[0] == 200
    for headers in ({}, ADMIN, {"Authorization": "Bearer a-program"}):
        assert (await post(site, AVATAR, headers, json=data_url(a_photo()))).status == 401


async def test_a_private_upload_is_served_by_its_signed_url_alone(site: RunningEnricher) -> None:
    sent = await post(site, CHARACTER, ADMIN, json=data_url(a_photo()) | {"private": True})
    assert re.fullmatch(rf"private_{UUID}\.jpg", sent.json["filename"])
    status, headers, _ = await fetched(site, sent.json["url"])
    assert (status, headers["Cache-Control"]) == (200, "private, max-age=3600")
    assert (await fetched(site, sent.json["url"]))[0] == 200  # as it was answered the last time
    name = upload_name(sent.json["filename"].removesuffix(".jpg"))
    picture = await site.volume.names.picture(name)
    assert picture
    revision = await site.volume.pictures.current(picture)
    assert revision
    path = URL(sent.json["url"]).path
    expired = Signatures(KEYS).sign(path, [("exp", str(int(time.time()) - 1))])
    others_key = Signatures(("another key",)).sign(path, [])
    for refused in (
        path,
        expired,
        others_key,
        f"{path}?size=small",
        f"/api/v1/images/{name}/original",
        f"/api/v1/images/{name}",
        f"/p/{picture}/{revision.id}/original.jpg",
    ):
        assert (await fetched(site, refused))[0] == 403, refused
    listed = (await site.manage("GET", "/api/images")).json["images"]
    assert (await fetched(site, listed[0]["link"]))[0] == 200


async def test_beyond_the_limits_nothing_is_stored_and_what_is_let_go_is_gone(site: RunningEnricher) -> None:
    picture = a_photo()
    own = await post(site, IMAGE, signed_in("one"), data=picture)
    assert own.status == 200, own.json
    too_much = picture + bytes(1024 * 1024)
    assert (await post(site, IMAGE, signed_in("one"), data=BytesIO(too_much))).status == 429
    assert (await post(site, AVATAR, signed_in("two"), data=BytesIO(too_much))).status == 429
    assert (await post(site, IMAGE, ADMIN, data=BytesIO(picture + bytes(3 * 1024 * 1024)))).status == 507
    assert (await site.manage("GET", "/api/images")).json["total"] == 1
    file = f"/api/images/uploads/{own.json['filename']}"
    for headers, status in (({}, 401), (signed_in("two"), 404), ({"Authorization": "Bearer a-program"}, 404)):
        assert (await site.ask("DELETE", file, headers=headers)).status == status
    assert (await fetched(site, own.json["url"]))[0] == 200
    assert (await site.ask("DELETE", file, headers=signed_in("one"))).status == 204
    await gone(site, own.json["url"])
    assert (await site.manage("GET", "/api/images")).json == {"images": [], "total": 0}
    again = await post(site, IMAGE, signed_in("one"), data=picture)
    assert (await site.manage("DELETE", f"/api/images/uploads/{again.json['filename']}")).status == 204


JSON = {"Content-Type": "application/json"}
REFUSED: tuple[tuple[dict[str, Any], int], ...] = (
    ({"json": {"image": "data:image/jpeg;base64,"}}, 400),
    ({"json": {"image": "data:text/html;base64,AAAA"}}, 400),
    ({"json": {"image": "data:image/jpeg;base64,not base64"}}, 400),
    ({"json": {}}, 400),
    ({"data": b""}, 400),
    ({"data": b"<html>" * 100}, 415),
    ({"data": BytesIO(bytes(10 * 1024 * 1024 + 1))}, 413),
    ({"data": BytesIO(json.dumps(data_url(bytes(10 * 1024 * 1024 + 1024))).encode()), "headers": JSON}, 413),
    ({"data": b"--x\r\n\r\n--x--", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
)


async def test_what_is_no_picture_is_refused_and_leaves_nothing(site: RunningEnricher) -> None:
    for given, status in REFUSED:
        headers = {"Content-Type": "application/octet-stream"} if "data" in given else {}
        reply = await site.ask(
            "POST", IMAGE, **given | {"headers": ADMIN | headers | given.get("headers", {})}
        )
        assert reply.status == status, (status, reply.json)
    for path in (CHARACTER, IMAGE, AVATAR):
        assert (await post(site, path, {}, json=data_url(a_photo()))).status == 401
    found = await site.manage("GET", "/api/images")
    assert found.json["total"] == 0
    assert not list(site.layout.inbox.iterdir())


async def test_without_keys_to_sign_there_is_nothing_private(tmp_path: Path) -> None:
    async with running_enricher(tmp_path) as site:
        sent = await post(site, f"{CHARACTER}?private=true", ADMIN, data=a_photo())
        assert (sent.status, "UPLOAD_SIGNING_KEYS" in sent.json["detail"]) == (501, True)
