"""What a picture is delivered as: a miss, then hits, in the format the client can show."""

from email.utils import parsedate_to_datetime
from io import BytesIO

import pytest
from multidict import CIMultiDict
from PIL import Image

from shared.contracts import FetchPicture, RenderPicture
from shared.pictures import Format, Manifest, Rendition
from shared.queue import Lane
from tests.integration.conftest import Start
from tests.integration.onesheet import Answer, Onesheet, until
from tests.providers.gallery import picture_at
from tests.providers.written import chunk, flat_png

POSTER = "/poster/1-600x900.jpg"
BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


def opened(answer: Answer) -> Image.Image:
    assert answer.status == 200, answer
    picture = Image.open(BytesIO(answer.body))
    picture.load()
    return picture


async def test_a_miss_is_fetched_once_and_then_a_hit(onesheet: Onesheet) -> None:
    miss = await onesheet.get(POSTER, size="small", format="webp")
    hit = await onesheet.get(POSTER, size="small", format="webp")
    assert (miss.headers["X-Image-Cached"], hit.headers["X-Image-Cached"]) == ("false", "true")
    assert miss.body == hit.body
    assert opened(hit).size == (240, 360)
    assert onesheet.host.count(POSTER) == 1
    assert len(onesheet.queue.jobs(FetchPicture)) == 1
    assert onesheet.count("onesheet_pictures_served_total", outcome="miss") == 1
    assert onesheet.count("onesheet_pictures_served_total", outcome="hit") == 1


async def test_a_hit_has_the_headers_of_a_static_file(onesheet: Onesheet) -> None:
    miss = await onesheet.get(POSTER, size="small", format="webp")
    answer = await onesheet.get(POSTER, size="small", format="webp")
    file = await onesheet.volume.pictures.find(onesheet.picture(POSTER), (Rendition.parse("small.webp"),))
    assert file is not None
    headers = answer.headers
    assert headers["Content-Type"] == "image/webp"
    assert headers["Content-Length"] == str(file.bytes) == str(len(answer.body))
    assert headers["ETag"] == f'"{file.modified_s:x}-{file.bytes:x}"' == miss.headers["ETag"]
    assert parsedate_to_datetime(headers["Last-Modified"]).timestamp() == file.modified_s
    assert headers["Cache-Control"] == "public, max-age=86400, stale-while-revalidate=604800"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["X-Image-Source"] == "unknown"  # no provider that we know


async def test_what_the_client_has_already_is_not_sent_again(onesheet: Onesheet) -> None:
    etag = (await onesheet.get(POSTER, size="small", format="webp")).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await onesheet.get(POSTER, size="small", format="webp", headers={"If-None-Match": known})
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag)
    other = await onesheet.get(POSTER, size="small", format="webp", headers={"If-None-Match": '"other"'})
    assert other.status == 200


async def test_the_original_is_served_as_it_came(onesheet: Onesheet) -> None:
    for _ in range(2):
        answer = await onesheet.get(POSTER)
        assert answer.body == picture_at(POSTER)
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert "Vary" not in answer.headers


async def test_the_type_is_what_the_bytes_are_whatever_the_url_or_the_source_claims(
    onesheet: Onesheet,
) -> None:
    body = picture_at("/poster/1-60x90.webp")
    assert body is not None
    onesheet.host.put("/liar.jpg", body, content_type="image/png")
    assert (await onesheet.get("/liar.jpg")).headers["Content-Type"] == "image/webp"


@pytest.mark.parametrize("format_", Format)
async def test_every_format_can_be_asked_for(onesheet: Onesheet, format_: Format) -> None:
    answer = await onesheet.get(POSTER, size="w92", format=format_.value, headers={"Accept": "*/*"})
    assert opened(answer).size == (92, 138)
    assert opened(answer).format == {"jpg": "JPEG"}.get(format_, format_.upper())
    assert "Vary" not in answer.headers


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (BROWSER, "image/webp"),
        ("image/webp,*/*", "image/webp"),
        ("image/webp;q=0, */*", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("*/*", "image/webp"),
        ("", "image/webp"),
    ],
)
async def test_the_format_is_negotiated(onesheet: Onesheet, accept: str, media_type: str) -> None:
    for _ in range(2):
        answer = await onesheet.get(POSTER, size="w92", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["Vary"] == "Accept"


async def test_avif_is_negotiated_only_where_it_is_there_already(onesheet: Onesheet) -> None:
    before = await onesheet.get(POSTER, size="w92", headers={"Accept": BROWSER})
    assert before.headers["Content-Type"] == "image/webp"
    assert (await onesheet.get(POSTER, size="w92", format="avif")).status == 200
    after = await onesheet.get(POSTER, size="w92", headers={"Accept": BROWSER})
    assert after.headers["Content-Type"] == "image/avif"
    cannot = await onesheet.get(POSTER, size="w92", headers={"Accept": "image/webp"})
    assert cannot.headers["Content-Type"] == "image/webp"


async def test_a_second_size_is_made_of_the_original_that_is_there(onesheet: Onesheet) -> None:
    await onesheet.get(POSTER, size="small", format="webp")
    answer = await onesheet.get(POSTER, size="w154", format="png")
    assert opened(answer).size == (154, 231)
    assert answer.headers["X-Image-Cached"] == "false"
    assert onesheet.host.count(POSTER) == 1


async def test_the_standard_renditions_appear_in_later_from_one_decode(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="true")
    await onesheet.get(POSTER, size="small", format="webp")
    rest = [Rendition(size, Format.WEBP) for size in ("medium", "thumbnail")]
    await until(lambda: onesheet.holds(POSTER, *rest))
    (job,) = onesheet.queue.jobs(RenderPicture)
    assert list(job.renditions) == rest
    assert [lane for lane, envelope in onesheet.queue.published if envelope.payload == job] == [
        Lane.PICTURES_LATER
    ]
    assert onesheet.host.count(POSTER) == 1


async def test_further_formats_are_made_ahead_where_they_are_set(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="true", IMAGE_FORMATS="webp,avif")
    await onesheet.get("/poster/1-60x90.jpg", size="small", format="jpg")
    sizes = ("medium", "small", "thumbnail")
    wanted = [Rendition(size, format_) for format_ in (Format.WEBP, Format.AVIF) for size in sizes]
    await until(lambda: onesheet.holds("/poster/1-60x90.jpg", *wanted))
    for size in sizes:
        answer = await onesheet.get("/poster/1-60x90.jpg", size=size, headers={"Accept": BROWSER})
        assert (answer.headers["Content-Type"], answer.headers["X-Image-Cached"]) == ("image/avif", "true")


async def test_nothing_is_made_ahead_where_that_is_off(start: Start) -> None:
    onesheet = await start(ENABLE_IMAGE_OPTIMIZATION="false")
    await onesheet.get(POSTER, size="small", format="webp")
    await onesheet.jobs_done(FetchPicture)
    assert onesheet.queue.jobs(RenderPicture) == []


async def test_what_of_an_original_is_not_shown_stands_in_its_manifest(onesheet: Onesheet) -> None:
    onesheet.host.put("/odd.png", flat_png((90, 90, 90), chunk(b"tIME", bytes(7), 1)))
    assert (await onesheet.get("/odd.png", size="small")).status == 200
    current = await onesheet.current("/odd.png")
    assert current is not None
    assert current.manifest.notes == ("A damaged 'tIME' was left out.",)
    before = current.manifest.model_dump(mode="json", exclude={"notes"})
    assert Manifest.model_validate(before).notes == ()


@pytest.mark.parametrize("usual", Format)
async def test_who_says_nothing_of_formats_gets_the_usual_one(start: Start, usual: Format) -> None:
    onesheet = await start(IMAGE_FORMAT=usual)
    for accept in ("*/*", ""):
        answer = await onesheet.get(POSTER, size="small", headers={"Accept": accept})
        assert answer.headers["Content-Type"] == f"image/{'jpeg' if usual is Format.JPG else usual}"
    answer = await onesheet.get(POSTER, size="small", headers={"Accept": "text/html"})
    assert answer.headers["Content-Type"] == "image/jpeg"


async def test_conditions_in_several_lines_are_one_list(onesheet: Onesheet) -> None:
    etag = (await onesheet.get(POSTER, size="small")).headers["ETag"]
    for name, status in (("If-None-Match", 304), ("If-Match", 200)):
        lines = CIMultiDict([(name, '"a, b"'), (name, etag)])
        assert (await onesheet.get(POSTER, size="small", headers=lines)).status == status
