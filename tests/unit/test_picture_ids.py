import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pictures import Upload, picture_id, revision_id
from shared.pictures.source import is_private, parse_picture_id, parse_revision_id


@given(st.text())
def test_a_picture_id_is_what_its_parser_accepts(text: str) -> None:
    identity = picture_id(text)
    assert parse_picture_id(identity) == identity


@given(st.binary())
def test_a_revision_is_the_start_of_the_hash_of_the_bytes(body: bytes) -> None:
    digest = hashlib.sha256(body).hexdigest()
    assert revision_id(digest) == digest[:16] == parse_revision_id(digest[:16])


@pytest.mark.parametrize(
    "text", ["", "a" * 31, "a" * 33, "A" * 32, "g" * 32, "../" + "a" * 29, "a" * 32 + "\n", "٣" * 32]
)
def test_what_is_no_picture_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 lower-case hex"):
        parse_picture_id(text)


@pytest.mark.parametrize("text", ["", "current", "a" * 15, "a" * 17, "A" * 16, "..", "a" * 16 + "\n"])
def test_what_is_no_revision_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="16 lower-case hex"):
        parse_revision_id(text)


SENT, MARK = "cd" * 32, "12" * 16


@pytest.mark.parametrize("upload", [Upload(SENT), Upload(SENT, MARK), Upload(SENT, MARK, private=True)])
def test_an_upload_is_written_as_it_is_read_and_its_id_says_whether_it_is_private(upload: Upload) -> None:
    assert Upload.parse(str(upload)) == upload
    assert parse_picture_id(upload.picture) == upload.picture
    assert is_private(upload.picture) == upload.private


def test_the_same_bytes_of_somebody_else_are_another_picture() -> None:
    whose = [Upload(SENT), Upload(SENT, MARK), Upload(SENT, "34" * 16), Upload(SENT, MARK, private=True)]
    assert len({upload.picture for upload in whose}) == len(whose)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        f".{MARK}.",
        f".{MARK}.public",
        ".private",
        f".{MARK}.private.private",
        f".{MARK[:-1]}",
        f".{MARK}/",
    ],
)
def test_what_is_no_upload_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"[Uu]pload"):
        Upload.parse(f"upload:{SENT}{text}" if text else f"upload:{SENT[:-1]}")
