from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.pictures import (
    DOWNLOAD,
    ORIGINAL,
    Failure,
    FailureClass,
    Manifest,
    Original,
    Placeholder,
    Rendition,
    State,
    Validators,
    revision_id,
)

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MEDIUM, SMALL = Rendition.parse("medium.webp"), Rendition.parse("small.webp")
CURRENT, OTHER = revision_id("a" * 64), revision_id("b" * 64)


def failure(failure_class: FailureClass = FailureClass.UPSTREAM) -> Failure:
    return Failure.after(None, failure_class, "broke", now=NOW)


def test_a_failed_download_blocks_every_request_while_there_is_no_revision() -> None:
    state = State().failed(DOWNLOAD, failure())
    for rendition in (MEDIUM, SMALL, ORIGINAL):
        assert state.blocking(rendition, stored=False, now=NOW) == failure()


def test_a_failed_download_blocks_nothing_once_there_is_a_revision() -> None:
    assert State().failed(DOWNLOAD, failure()).blocking(MEDIUM, stored=True, now=NOW) is None


@pytest.mark.parametrize("stored", [True, False])
def test_a_failed_rendition_blocks_only_itself(stored: bool) -> None:
    state = State().failed(str(MEDIUM), failure())
    assert state.blocking(MEDIUM, stored=stored, now=NOW) == failure()
    assert state.blocking(SMALL, stored=stored, now=NOW) is None


def test_a_failure_blocks_until_its_end_and_not_a_moment_longer() -> None:
    state = State().failed(DOWNLOAD, failure())
    end = failure().retry_at
    assert state.blocking(MEDIUM, stored=False, now=end - SECOND)
    assert state.blocking(MEDIUM, stored=False, now=end) is None
    assert state.failed_lately(end - SECOND)
    assert not state.failed_lately(end)


def test_recovering_forgets_what_is_named_and_keeps_the_rest() -> None:
    state = State().failed(DOWNLOAD, failure()).failed(str(MEDIUM), failure())
    assert set(state.recovered(DOWNLOAD).failures) == {str(MEDIUM)}
    assert set(state.recovered(DOWNLOAD, str(MEDIUM), "never failed").failures) == set()


def test_an_end_of_any_kind_forgets_the_starts() -> None:
    started = State(redelivered_starts=4)
    assert started.recovered().redelivered_starts == 0
    assert started.failed(DOWNLOAD, failure()).redelivered_starts == 0


@pytest.mark.parametrize(
    ("state", "stale"),
    [
        (State(revision=CURRENT, fresh_until=NOW + SECOND), False),
        (State(revision=CURRENT, fresh_until=NOW), True),
        (State(revision=CURRENT, fresh_until=NOW - SECOND), True),
        (State(revision=OTHER, fresh_until=NOW + SECOND), True),
        (State(), True),
    ],
)
def test_freshness_counts_for_the_revision_it_was_said_of(state: State, stale: bool) -> None:
    assert state.is_stale(CURRENT, NOW) is stale


def test_a_state_reads_back_whole() -> None:
    state = State(
        revision=CURRENT,
        checked_at=NOW,
        fresh_until=NOW + SECOND,
        validators=Validators(etag='"abc"', last_modified="Mon, 02 Nov 2026 12:00:00 GMT"),
        failures={DOWNLOAD: failure(), str(MEDIUM): failure(FailureClass.OURS)},
        redelivered_starts=2,
    )
    assert State.model_validate_json(state.model_dump_json()) == state


def test_a_manifest_reads_back_whole_and_names_its_original() -> None:
    original = Original(mime="image/jpeg", bytes=10, width=3, height=2)
    manifest = Manifest(
        source_url="http://a.example/x.png",
        provider=None,
        original=original,
        placeholder=Placeholder(color="#0a0b0c"),
        fetched_at=NOW,
    )
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert original.file_name == "original.jpg"  # by the bytes, whatever the URL claimed


@pytest.mark.parametrize("wrong", [{"bytes": 0}, {"width": 0}, {"height": -1}, {"frames": 0}])
def test_an_original_without_extent_is_no_original(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Original(**({"mime": "image/png", "bytes": 1, "width": 1, "height": 1} | wrong))


@pytest.mark.parametrize("color", ["red", "#fff", "#FFFFFF", "#ffffff;", ""])
def test_a_placeholder_holds_a_plain_colour(color: str) -> None:
    with pytest.raises(ValidationError):
        Placeholder(color=color)
