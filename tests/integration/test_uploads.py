"""Uploads: bytes that an operator sent become a picture that is never evicted, and never asked for anywhere."""

import hashlib
from io import BytesIO

import pytest
from PIL import Image

from services.fetcher.rendering import heif
from shared.contracts import FetchPicture, PictureFailed, PictureStored, RenderPicture, StoreUpload
from shared.pictures import ORIGINAL, FailureClass, Format, Name, Rendition, Tree, Upload
from shared.queue import Lane
from shared.volume import Revision
from tests.integration.conftest import Start
from tests.integration.heard import Heard
from tests.integration.onesheet import Onesheet, until
from tests.integration.test_named_pictures import NAME, do, outcome
from tests.providers import vectors
from tests.providers.drawing import encode, encode_animation, frames, photo
from tests.providers.gallery import picture_at
from tests.providers.variants import bomb, cut

SECRET = b"48.8584 N 2.2945 E"
SMALL = Rendition.parse("small.webp")


def a_photo(orientation: int = 6) -> bytes:
    """As a phone would send it: turned, and with the place where it was taken."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    return encode(photo(3, (640, 400)), "jpeg", exif=exif)


def upload_of(body: bytes) -> Upload:
    return Upload(hashlib.sha256(body).hexdigest())


async def put(onesheet: Onesheet, body: bytes, name: Name | None = NAME) -> StoreUpload:
    return StoreUpload(inbox=await onesheet.volume.inbox.put(body), sha256=upload_of(body).sha256, name=name)


async def current(onesheet: Onesheet, body: bytes) -> Revision:
    revision = await onesheet.volume.pictures.current(upload_of(body).picture)
    assert revision is not None
    return revision


def in_inbox(onesheet: Onesheet) -> int:
    return len(list(onesheet.layout.inbox.iterdir()))


async def test_an_upload_is_kept_pinned_and_told(onesheet: Onesheet) -> None:
    body = a_photo()
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, await put(onesheet, body))
        stored = await heard.first(PictureStored, name=NAME)
    revision = await current(onesheet, body)
    assert (stored.picture, stored.revision) == (upload_of(body).picture, revision.id)
    assert (revision.tree, revision.manifest.source_url, revision.manifest.provider) == (
        Tree.KEEP,
        f"upload:{hashlib.sha256(body).hexdigest()}",
        None,
    )
    assert await onesheet.volume.names.picture(NAME) == upload_of(body).picture
    assert await onesheet.volume.pins.holds(upload_of(body).picture, NAME)
    assert (in_inbox(onesheet), outcome(onesheet, StoreUpload, "stored")) == (0, 1)
    assert onesheet.host.requests == []


async def test_what_is_kept_is_upright_and_says_nothing_else(onesheet: Onesheet) -> None:
    body = a_photo()
    await do(onesheet, await put(onesheet, body))
    found = await onesheet.volume.pictures.find(upload_of(body).picture, (ORIGINAL,))
    assert found
    kept = await found.content.whole()
    assert SECRET in body
    assert SECRET not in kept
    with Image.open(BytesIO(kept)) as image, Image.open(BytesIO(body)) as sent:
        assert dict(image.getexif()) == {0x0112: 6}
        assert image.tobytes() == sent.tobytes()
    original = (await current(onesheet, body)).manifest.original
    assert (original.width, original.height, original.bytes) == (400, 640, len(kept))


async def test_standard_renditions_are_made_and_others_when_they_are_asked_for(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="true")
    body = a_photo()
    await do(onesheet, await put(onesheet, body))
    await onesheet.jobs_done(RenderPicture)
    assert (await current(onesheet, body)).holds(SMALL)
    other = Rendition.parse("w342.jpg")
    await do(onesheet, FetchPicture(source_url=upload_of(body), rendition=other, name=NAME))
    revision = await current(onesheet, body)
    assert (revision.tree, revision.holds(other)) == (Tree.KEEP, True)
    assert outcome(onesheet, FetchPicture, "rendered") == 1
    assert onesheet.host.requests == []


async def test_the_same_bytes_again_are_there_already(onesheet: Onesheet) -> None:
    body, other = a_photo(), Name.parse("movie/tmdb:603/poster")
    await do(onesheet, await put(onesheet, body, name=None))
    before = await current(onesheet, body)
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, await put(onesheet, body, name=other))
        await heard.first(PictureStored, name=other)
    assert outcome(onesheet, StoreUpload, "was there") == 1
    assert (await current(onesheet, body)).id == before.id
    assert in_inbox(onesheet) == 0


async def test_a_job_that_comes_twice_is_done_once(onesheet: Onesheet) -> None:
    body = a_photo()
    job = await put(onesheet, body)
    await do(onesheet, job)
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, job)  # whose file is gone
        await heard.first(PictureStored, name=NAME)
    assert heard.all(PictureFailed) == []


async def test_what_is_in_no_inbox_and_not_stored_is_a_failure(onesheet: Onesheet) -> None:
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, StoreUpload(inbox="ab" * 16, sha256="cd" * 32, name=NAME))
        failed = await heard.first(PictureFailed)
    assert (failed.picture, failed.failure.failure_class) == (Upload("cd" * 32).picture, FailureClass.GONE)
    assert await onesheet.volume.names.picture(NAME) is None
    assert await onesheet.volume.names.failure(NAME) is None


async def test_what_failed_can_be_sent_again(onesheet: Onesheet) -> None:
    body = a_photo()
    await do(onesheet, StoreUpload(inbox="ab" * 16, sha256=upload_of(body).sha256))
    await do(onesheet, await put(onesheet, body))
    assert (await current(onesheet, body)).tree is Tree.KEEP
    cached = onesheet.layout.picture(Tree.CACHE, upload_of(body).picture)
    assert not cached.exists()  # where the failure was remembered
    assert (await onesheet.volume.pictures.state(upload_of(body).picture)).failures == {}


UNSOUND = {
    "no picture": b"<html>" * 100,
    "half a picture": cut(a_photo()),
    "too many pixels": bomb(1100),
    "too many bytes": a_photo() + bytes(1024 * 1024),
    "nothing": b"",
}


@pytest.mark.parametrize("case", UNSOUND)
async def test_what_is_no_picture_is_refused_and_not_kept(start: Start, case: str) -> None:
    onesheet = await start(MAX_IMAGE_FILE_SIZE_MB="1", MAX_PIXELS="1000000")
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, await put(onesheet, UNSOUND[case]))
        failed = await heard.first(PictureFailed)
    assert failed.failure.failure_class is FailureClass.UNSOUND
    assert (failed.failure.status == 413) is case.startswith("too many")
    assert await onesheet.volume.pictures.current(upload_of(UNSOUND[case]).picture) is None
    assert await onesheet.volume.names.picture(NAME) is None
    assert in_inbox(onesheet) == 0


async def test_bytes_that_are_not_those_announced_are_refused(onesheet: Onesheet) -> None:
    job = await put(onesheet, a_photo())
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, job.model_copy(update={"sha256": "ef" * 32}))
        assert "announced" in (await heard.first(PictureFailed)).failure.reason
    assert await onesheet.volume.pictures.current(Upload("ef" * 32).picture) is None


async def test_bytes_alone_say_what_an_upload_is(onesheet: Onesheet) -> None:
    for extension, mime in {"png": "image/png", "gif": "image/gif", "webp": "image/webp"}.items():
        body = picture_at(f"/poster/5-60x90.{extension}")
        assert body
        await do(onesheet, await put(onesheet, body, name=None))
        assert (await current(onesheet, body)).manifest.original.mime == mime


async def test_an_upload_larger_than_what_is_kept_of_others_when_drawn_again_is_kept(start: Start) -> None:
    """What would be spooled of a download could not be fetched again."""
    onesheet = await start(MAX_IMAGE_FILE_SIZE_MB="1")
    body = encode(photo(4, (1600, 1200)), "avif", quality=60)
    assert len(body) < 1024**2
    await do(onesheet, await put(onesheet, body))
    revision = await current(onesheet, body)
    assert revision.manifest.original.mime == "image/png"
    assert revision.manifest.original.bytes > 1024**2
    assert "original.png" in revision.files


PROMISED = {
    "jpeg": (a_photo(), (640, 400)),
    "png": (encode(photo(6, (60, 40)), "png"), (60, 40)),
    "webp": (encode(photo(6, (60, 40)), "webp"), (60, 40)),
    "heic": (heif.SAMPLE, (8, 8)),
    "animation": (encode_animation(frames(1, 3, (48, 32)), "gif"), (48, 32)),
    "drawing": (vectors.ACTIVE, None),
}


async def test_what_is_promised_as_jpeg_is_one_whatever_was_sent(onesheet: Onesheet) -> None:
    for case, (body, size) in PROMISED.items():
        job = await put(onesheet, body, name=None)
        await do(onesheet, job.model_copy(update={"mark": "ab" * 16, "kept_as": Format.JPG}))
        upload = Upload(upload_of(body).sha256, "ab" * 16)
        found = await onesheet.volume.pictures.find(upload.picture, (ORIGINAL,))
        assert found, case
        kept = await found.content.whole()
        assert SECRET not in kept
        with Image.open(BytesIO(kept)) as image:
            assert (image.format, image.size) == ("JPEG", size or image.size), case
        revision = await onesheet.volume.pictures.current(upload.picture)
        assert revision
        original = revision.manifest.original
        assert (found.file_name, original.mime, original.frames) == ("original.jpg", "image/jpeg", 1)
        assert revision.manifest.source_url == str(upload)


async def test_two_names_are_pinned_to_an_upload_that_has_two(onesheet: Onesheet) -> None:
    also, body = Name.parse("user/7/avatar"), a_photo()
    await do(onesheet, (await put(onesheet, body)).model_copy(update={"also": also}))
    for name in (NAME, also):
        assert await onesheet.volume.names.picture(name) == upload_of(body).picture
        assert await onesheet.volume.pins.holds(upload_of(body).picture, name)


async def test_of_a_full_disk_the_sender_is_told(start: Start) -> None:
    onesheet = await start(DISK_FREE_FLOOR_GB="1000000")
    async with Heard.from_now(onesheet) as heard:
        await do(onesheet, await put(onesheet, a_photo()))
        assert (await heard.first(PictureFailed)).failure.failure_class is FailureClass.OURS


async def test_uploads_wait_in_the_lane_of_those_who_wait(onesheet: Onesheet) -> None:
    await onesheet.publish(await put(onesheet, a_photo()), Lane.PICTURES_NOW)
    await until(lambda: in_inbox(onesheet) == 0)
