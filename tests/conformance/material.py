"""What pictures are made of: bytes, and what a revision says of itself."""

import itertools
from collections.abc import Mapping
from hashlib import sha256

from shared.pictures import (
    Manifest,
    Original,
    Placeholder,
    RevisionId,
    SourceUrl,
    picture_host,
    revision_id,
)
from shared.telemetry import utc_now
from tests.providers.gallery import picture_at
from tests.providers.variants import with_comment

_numbers = itertools.count(1)


def new_picture(*, at_least_bytes: int = 0) -> bytes:
    """A JPEG of few pixels; other bytes at every call, the same pixels."""
    body = picture_at("/poster/1-60x90.jpg")
    assert body
    body = with_comment(body, str(next(_numbers)))
    while len(body) < at_least_bytes:
        body = with_comment(body, "x" * 60_000)
    return body


def revision_of(files: Mapping[str, bytes]) -> RevisionId:
    return revision_id(sha256(original_of(files)).hexdigest())


def original_of(files: Mapping[str, bytes]) -> bytes:
    return next(body for name, body in files.items() if name.startswith("original."))


def manifest_of(source: SourceUrl, original: bytes) -> Manifest:
    known = picture_host(source.host)
    return Manifest(
        source_url=str(source),
        provider=known.provider if known else None,
        original=Original(mime="image/jpeg", bytes=len(original), width=60, height=90),
        placeholder=Placeholder(color="#102030"),
        fetched_at=utc_now(),
    )
