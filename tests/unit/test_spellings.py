"""How often one picture may be asked for under other URLs."""

import pytest

from services.proxy.waiting_room import Spellings
from services.proxy.wanted import WantedPicture
from shared.pictures import HostRules, RefusalReason, SourceUrl, Upload
from shared.pictures.rendition import ORIGINAL

RULES = HostRules.of(["*"])
IMMUTABLE = "https://image.tmdb.org/t/p/original/a.jpg"
OTHER = "https://static-cdn.jtvnw.net/a.jpg"


def wanted(url: str, *, signed: bool = False) -> WantedPicture:
    return WantedPicture.of(SourceUrl.parse(url), (ORIGINAL,), RULES, signed=signed)


def rule(spellings: Spellings, url: str) -> RefusalReason | None:
    refusal = spellings.refusal(wanted(url))
    return refusal[0] if refusal else None


@pytest.mark.parametrize("url", [f"{IMMUTABLE}#x", f"{OTHER}#", f"{OTHER}?a=1#b", "http://a.example#a/b.jpg"])
def test_a_fragment_is_refused_signed_or_not(url: str) -> None:
    for signed in (False, True):
        refusal = Spellings().refusal(wanted(url, signed=signed))
        assert refusal
        assert refusal[0] is RefusalReason.FRAGMENT
        assert "#" in refusal[1]


def test_where_pictures_never_change_the_fifth_query_of_a_path_is_refused_and_the_first_four_go_on() -> None:
    spellings = Spellings()
    for _ in range(2):
        assert [rule(spellings, f"{IMMUTABLE}?x={number}") for number in range(4)] == [None] * 4
        assert rule(spellings, f"{IMMUTABLE}?x=4") is RefusalReason.QUERY
        assert rule(spellings, IMMUTABLE) is None
    assert rule(spellings, f"{IMMUTABLE.replace('a.jpg', 'b.jpg')}?x=4") is None


def test_elsewhere_a_query_may_be_the_picture() -> None:
    spellings = Spellings()
    assert {rule(spellings, f"{OTHER}?id={number}") for number in range(100)} == {None}
    assert len(spellings._queries) == 0


def test_what_is_remembered_of_paths_is_bounded() -> None:
    spellings = Spellings(paths_at_most=10)
    for number in range(100):
        assert rule(spellings, f"{IMMUTABLE}{number}.jpg?x=1") is None
    assert len(spellings._queries) == 10


def test_an_upload_has_no_spelling() -> None:
    upload = Upload("0" * 64)
    assert Spellings().refusal(WantedPicture.of(upload, (ORIGINAL,), RULES, signed=False)) is None
