"""`shared/contracts/examples` holds one message of each kind, as it rides the queue."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import shared.contracts
from shared.contracts import (
    AdoptedFile,
    AdoptPictures,
    DeadLetter,
    DropSpool,
    Envelope,
    Evictable,
    EvictPictures,
    FailedAttempt,
    FetchPicture,
    HealPicture,
    HostPaused,
    JobsUnwaited,
    LaneWork,
    LookAtPicture,
    LookAtPictures,
    Message,
    NameRefused,
    PictureFailed,
    PicturePurged,
    PicturesEvicted,
    PictureStored,
    PicturesUsed,
    PinPicture,
    PointName,
    PurgePicture,
    RefreshPicture,
    RefuseName,
    RenderPicture,
    ResolvePicture,
    ServiceStats,
    SessionEnded,
    StoreUpload,
    StudioProgressed,
    TaskProgressed,
    UnpinPicture,
)
from shared.contracts.envelope import MAX_HISTORY, MESSAGES, message_class
from shared.pictures import (
    Failure,
    FailureClass,
    Format,
    Name,
    PictureId,
    Rendition,
    SourceUrl,
    Upload,
    picture_id,
    revision_id,
)

EXAMPLES = Path(shared.contracts.__file__).parent / "examples"
AT = datetime(2026, 11, 2, 12, 30, 15, 250_000, tzinfo=UTC)
SOURCE = SourceUrl.parse("https://image.tmdb.org/t/p/original/6FfCtAuVAW8XJjZ7eWeLibRLWTw.jpg")
MEDIUM, SMALL = Rendition.parse("medium.webp"), Rendition.parse("small.webp")
NAME = Name.parse("movie/tmdb:11/poster")
UPLOAD = Upload("0123456789abcdef" * 4)
GONE = Failure(
    failure_class=FailureClass.GONE,
    status=404,
    reason="The source answered 404.",
    at=AT,
    retry_at=AT + timedelta(hours=1),
)

MESSAGE_OF: dict[str, Message] = {
    type(message).__name__: message
    for message in (
        FetchPicture(
            source_url=SOURCE,
            rendition=MEDIUM,
            name=NAME,
            authorised_host="image.tmdb.org",
        ),
        RenderPicture(source_url=SOURCE, renditions=(MEDIUM, SMALL)),
        RefreshPicture(source_url=SOURCE),
        PurgePicture(picture=SOURCE.picture),
        LookAtPicture(picture=SOURCE.picture, source_url=str(SOURCE), happened="stored"),
        PictureStored(
            picture=SOURCE.picture,
            revision=revision_id("0123456789abcdef"),
            renditions=(MEDIUM, SMALL),
            name=NAME,
        ),
        PictureFailed(
            picture=SOURCE.picture,
            rendition=MEDIUM,
            failure=GONE,
            name=NAME,
        ),
        NameRefused(name=NAME, failure=GONE),
        ResolvePicture(name=NAME, rendition=MEDIUM),
        PointName(name=NAME, source_url=UPLOAD),
        RefuseName(name=NAME, failure=GONE),
        PinPicture(name=NAME, source_url=SOURCE, authorised_host="image.tmdb.org"),
        UnpinPicture(name=NAME),
        StoreUpload(
            inbox="9f" * 16,
            sha256=UPLOAD.sha256,
            name=NAME,
            also=Name.parse("user/8a6e0b3d/avatar"),
            mark="0123456789abcdef" * 2,
            kept_as=Format.JPG,
        ),
        AdoptPictures(
            files=(
                AdoptedFile(
                    inbox="9f" * 16,
                    sha256=UPLOAD.sha256,
                    source_url=SOURCE,
                    fetched_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
                ),
            )
        ),
        PicturePurged(picture=SOURCE.picture),
        PicturesEvicted(pictures=(SOURCE.picture,)),
        LookAtPictures(pictures=(SOURCE.picture,)),
        HealPicture(picture=SOURCE.picture, source_url=SOURCE),
        ServiceStats(
            service="fetcher",
            instance="host/1a2b3c4d",
            during_s=5.0,
            lanes={"pictures.now": LaneWork(jobs=12, oldest_s=0.25)},
            counted={"served": {"hit": 240}, "first_picture": {"0.5": 3}},
            waiting=2,
            setup={"VOLUME_URL": "0f1e2d3c"},
        ),
        StudioProgressed(
            job="3f1c2a9e-8d4b-4c6f-9a51-0b7d2e6c8f10",
            kind="video",
            state="failed",
            done=4,
            reason="Luma refused it (400): no credits",
        ),
        SessionEnded(session=64 * "a"),
        TaskProgressed(task=7, kind="scan", state="running", done=12, total=40, counts={"files": 12}),
        EvictPictures(
            pictures=(
                Evictable(picture=SOURCE.picture, revision=revision_id("0123456789abcdef"), fetched_at=AT),
            )
        ),
        HostPaused(host="image.tmdb.org", until=AT + timedelta(minutes=1)),
        JobsUnwaited(jobs=("5f0c3a7e9b1d4c2f8a6e0b3d7c9f1a2b",)),
        PicturesUsed(used={SOURCE.picture: 12}),
        DropSpool(picture=SOURCE.picture, revision=revision_id("0123456789abcdef")),
        DeadLetter(
            lane="pictures.later",
            reason="The source answered 500.",
            failure_class="upstream",
            history=(FailedAttempt(at=AT, reason="The source answered 500."),),
            died_at=AT + timedelta(minutes=12),
            body='{"type": "RefreshPicture"}',
        ),
    )
}


def enveloped(message: Message) -> Envelope:
    return Envelope(
        id="5f0c3a7e9b1d4c2f8a6e0b3d7c9f1a2b",
        type=type(message).__name__,
        version=1,
        occurred_at=AT,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        attempt=2,
        deferred_since=AT - timedelta(seconds=5),
        locked_since=AT - timedelta(seconds=3),
        follows="0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        history=(FailedAttempt(at=AT - timedelta(seconds=1), reason="The source answered 500."),),
        payload=message,
    )


def example(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return read


def test_every_message_has_an_example_and_no_example_is_left_over() -> None:
    names = {known.__name__ for known in MESSAGES}
    assert {file.stem for file in EXAMPLES.iterdir()} == names == set(MESSAGE_OF)


def test_every_message_that_is_declared_can_be_read() -> None:
    declared = [getattr(shared.contracts, name) for name in shared.contracts.__all__]
    classes = [one for one in declared if isinstance(one, type)]
    messages = {one for one in classes if issubclass(one, Message) and one is not Message}
    assert messages == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGE_OF)
def test_an_example_is_read_as_the_message_it_shows(name: str) -> None:
    assert Envelope.model_validate(example(name)) == enveloped(MESSAGE_OF[name])


@pytest.mark.parametrize("name", MESSAGE_OF)
def test_a_message_is_written_as_its_example_shows(name: str) -> None:
    assert json.loads(enveloped(MESSAGE_OF[name]).model_dump_json()) == example(name)


@pytest.mark.parametrize("name", MESSAGE_OF)
def test_what_a_newer_sender_added_is_ignored(name: str) -> None:
    newer = example(name) | {"added_to_the_envelope": 1}
    newer["payload"] |= {"added_to_the_payload": {"deep": [1, 2]}}
    assert Envelope.model_validate(newer) == enveloped(MESSAGE_OF[name])


@pytest.mark.parametrize("name", MESSAGE_OF)
@pytest.mark.parametrize(
    "wrong", [{"version": 2}, {"version": "1"}, {"type": "FetchEverything"}, {"type": None}]
)
def test_an_unknown_type_or_version_is_refused(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="no message"):
        Envelope.model_validate(example(name) | wrong)


@pytest.mark.parametrize("name", MESSAGE_OF)
def test_a_message_without_what_it_is_about_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        Envelope.model_validate(example(name) | {"payload": {}})


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("PurgePicture", {"picture": "../../etc"}),
        ("PurgePicture", {"picture": "A" * 32}),
        ("RefreshPicture", {"source_url": "file:///etc/passwd"}),
        ("FetchPicture", {"source_url": str(SOURCE), "rendition": "huge.webp"}),
        ("FetchPicture", {"source_url": str(SOURCE), "rendition": "medium.webp", "name": "movie/../poster"}),
        ("PictureStored", {"picture": "a" * 32, "revision": "current", "renditions": []}),
        ("FetchPicture", {"source_url": "upload:../../etc", "rendition": "medium.webp"}),
        ("FetchPicture", {"source_url": "upload:" + "A" * 64, "rendition": "medium.webp"}),
        ("RefreshPicture", {"source_url": str(UPLOAD)}),
        ("ResolvePicture", {"rendition": "medium.webp"}),
        ("ResolvePicture", {"name": str(NAME), "picture": SOURCE.picture, "rendition": "medium.webp"}),
        ("PointName", {"name": str(NAME)}),
        ("PointName", {"name": str(NAME), "picture": SOURCE.picture, "source_url": str(SOURCE)}),
        ("RefuseName", {"name": str(NAME)}),
        ("PinPicture", {"name": str(NAME), "source_url": "file:///etc/passwd"}),
        ("UnpinPicture", {"name": "movie/../poster"}),
        ("StoreUpload", {"inbox": "../../etc/passwd", "sha256": UPLOAD.sha256}),
        ("StoreUpload", {"inbox": "9f" * 16, "sha256": "9f" * 16}),
    ],
)
def test_values_are_checked_where_they_come_in(name: str, payload: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Envelope.model_validate(example(name) | {"payload": payload})


def test_a_job_may_be_about_a_picture_or_its_source() -> None:
    assert ResolvePicture(picture=SOURCE.picture, rendition=MEDIUM).name is None
    assert PointName(name=NAME, source_url=SOURCE).target == SOURCE.picture
    assert (
        PointName(name=NAME, picture=UPLOAD.picture).target == PointName(name=NAME, source_url=UPLOAD).target
    )


def test_what_an_older_sender_left_out_is_nobody() -> None:
    for name in ("PictureStored", "PictureFailed"):
        older = example(name)
        del older["payload"]["name"]
        payload = Envelope.model_validate(older).payload
        assert isinstance(payload, PictureStored | PictureFailed)
        assert payload.name is None


def test_a_retried_message_is_the_same_message_with_a_bounded_history() -> None:
    first = Envelope.of(PurgePicture(picture=PictureId(picture_id("x"))), trace_id="trace", now=AT)
    retried = first
    for number in range(MAX_HISTORY + 5):
        retried = retried.retried(f"{number} " + "x" * 1000, AT)
    assert (retried.id, retried.trace_id, retried.payload) == (first.id, first.trace_id, first.payload)
    assert retried.attempt == MAX_HISTORY + 6
    assert [mishap.reason.split()[0] for mishap in retried.history] == [str(n) for n in range(5, 15)]
    assert Envelope.model_validate_json(retried.model_dump_json()) == retried


def test_coming_back_without_an_attempt_keeps_the_first_time_of_it() -> None:
    first = Envelope.of(PurgePicture(picture=picture_id("x")), trace_id="trace", now=AT)
    deferred = first.deferred(AT).deferred(AT + timedelta(minutes=1))
    assert (deferred.attempt, deferred.deferred_since, deferred.locked_since) == (1, AT, None)


def test_how_long_a_lock_kept_a_message_out_is_told_apart_from_what_else_did() -> None:
    first = Envelope.of(PurgePicture(picture=picture_id("x")), trace_id="trace", now=AT)
    later = AT + timedelta(minutes=1)
    kept_out = first.deferred(AT, locked=True).deferred(later, locked=True)
    assert (kept_out.deferred_since, kept_out.locked_since) == (AT, AT)
    put_off = kept_out.deferred(later)
    assert (put_off.deferred_since, put_off.locked_since) == (AT, None)
    assert put_off.deferred(later, locked=True).locked_since == later


def test_no_two_messages_share_a_type() -> None:
    assert len({(known.__name__, known.version) for known in MESSAGES}) == len(MESSAGES)
    assert all(message_class(known.__name__, known.version) is known for known in MESSAGES)
