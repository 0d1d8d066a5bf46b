"""The choice among candidates: one for the same candidates, and for every other the reason why it lost."""

import random

import pytest

from services.enricher.finder.artwork.choice import (
    Candidate,
    Choice,
    Reason,
    Taste,
    Textless,
    choose,
    two_letters,
)
from services.enricher.settings import EnricherSettings
from shared.pictures import Role

ORDER = ("tvdb", "tmdb", "fanart")
TASTE = Taste(languages=("de", "en-US"))


def one(id_: str, provider: str = "tvdb", **values: object) -> Candidate:
    described = {
        "source_url": f"https://example.org/{id_}.jpg",
        "provider": provider,
        "role": Role.POSTER,
        "id": id_,
        "language": "de",
    }
    return Candidate.model_validate(described | values)


def ranked(choice: Choice) -> list[tuple[str, Reason | None]]:
    return [(verdict.candidate.id, verdict.lost) for verdict in choice.verdicts]


@pytest.mark.parametrize(
    ("better", "worse", "reason"),
    [
        (one("b", "tvdb"), one("a", "tmdb", score=9), Reason.PROVIDER),
        (one("b", "fanart"), one("a", "nobody", score=9), Reason.PROVIDER),
        (one("b", "tmdb"), one("a", "tvdb", language="ko", score=9), Reason.FOREIGN),
        (one("b"), one("a", language="en", score=9), Reason.LANGUAGE),
        (one("b", language="en"), one("a", language=None, textless=True, score=9), Reason.LANGUAGE),
        (one("b", language=None, textless=True), one("a", language=None, score=9), Reason.LANGUAGE),
        (one("b", language=None), one("a", language="ko", score=9), Reason.FOREIGN),
        (one("b", score=2), one("a", score=1, width=9, height=9), Reason.SCORE),
        (one("b", width=2, height=3), one("a", width=5, height=1), Reason.SIZE),
        (one("a"), one("b"), Reason.ID),
    ],
)
def test_each_reason_weighs_more_than_those_after_it(
    better: Candidate, worse: Candidate, reason: Reason
) -> None:
    for candidates in ([better, worse], [worse, better]):
        assert ranked(choose(candidates, ORDER, TASTE)) == [(better.id, None), (worse.id, reason)]


@pytest.mark.parametrize(
    ("textless", "chosen", "lost"),
    [
        (Textless.FIRST, "without", Reason.LANGUAGE),
        (Textless.LAST, "with", Reason.LANGUAGE),
        (Textless.NEVER, "with", Reason.UNWANTED),
    ],
)
def test_pictures_without_text_are_a_matter_of_taste(textless: Textless, chosen: str, lost: Reason) -> None:
    both = [one("with", language="en"), one("without", language=None, textless=True)]
    choice = choose(both, ORDER, Taste(("de", "en"), textless))
    assert (choice.chosen and choice.chosen.id) == chosen
    assert choice.verdicts[1].lost == lost


def test_of_a_language_the_variant_of_the_country_comes_first() -> None:
    brazilian, portuguese, some, english = (
        one("br", language="pt", country="BR", score=1),
        one("pt", language="pt", country="PT", score=9),
        one("any", language="pt", score=9),
        one("en", language="en", score=9),
    )
    choice = choose([english, portuguese, some, brazilian], ORDER, Taste(("pt-BR", "en")))
    assert [verdict.candidate.id for verdict in choice.verdicts] == ["br", "any", "pt", "en"]
    assert [
        verdict.candidate.id for verdict in choose([brazilian, portuguese], ORDER, Taste(("pt",))).verdicts
    ] == ["pt", "br"]


def test_the_original_language_can_be_among_the_languages() -> None:
    tamil, english = one("ta", language="ta"), one("en", language="en", score=9)
    taste = Taste(("original", "en"))
    assert [
        choose([english, tamil], ORDER, taste.of_original(language)).chosen for language in ("ta", None)
    ] == [tamil, english]


def test_what_is_never_wanted_is_not_chosen_even_alone() -> None:
    alone = choose([one("a", language=None, textless=True)], ORDER, Taste(textless=Textless.NEVER))
    assert (alone.chosen, alone.verdicts[0].lost) == (None, Reason.UNWANTED)


@pytest.mark.parametrize("textless", list(Textless))
def test_a_backdrop_is_best_without_text(textless: Textless) -> None:
    both = [
        one("with", role=Role.FANART, score=9),
        one("without", role=Role.FANART, language=None, textless=True),
    ]
    choice = choose(both, ORDER, Taste(("de",), textless))
    assert (choice.chosen and choice.chosen.id) == "without"


def test_the_order_of_the_candidates_changes_nothing() -> None:
    languages = ("de", "en", "ko", None)
    candidates = [
        one(f"{number}", ORDER[number % 3], language=languages[number % 4], score=number % 5)
        for number in range(40)
    ]
    expected = choose(candidates, ORDER, TASTE)
    shuffled = random.Random(1)
    for _ in range(20):
        shuffled.shuffle(candidates)
        assert choose(candidates, ORDER, TASTE) == expected
    assert [verdict.lost for verdict in expected.verdicts].count(None) == 1


def test_of_no_candidates_none_is_chosen() -> None:
    assert choose([], ORDER, TASTE).chosen is None


def test_a_picture_suits_where_no_better_language_can_come() -> None:
    assert TASTE.suits(one("a", language="en"))
    assert TASTE.suits(one("a", language=None))
    assert not TASTE.suits(one("a", language="ko"))
    assert not Taste(textless=Textless.NEVER).suits(one("a", language=None, textless=True))


@pytest.mark.parametrize(
    ("code", "written"),
    [("eng", "en"), ("deu", "de"), ("zho", "zh"), ("zhtw", "zh"), ("pt-BR", "pt"), ("EN", "en"), ("yue", "yue"), ("?", "?"), ("nonsense", "nonsense")],
)  # fmt: skip
def test_languages_have_one_writing(code: str, written: str) -> None:
    assert two_letters(code) == written


@pytest.mark.parametrize(
    ("order", "said"), [("tvdb,imdb", "no provider imdb, only tvdb, tmdb"), ("tvdb,tvdb", "once at most")]
)
def test_an_order_has_registered_providers_each_once(
    monkeypatch: pytest.MonkeyPatch, order: str, said: str
) -> None:
    monkeypatch.setenv("PROVIDER_ORDER_MOVIE", order)
    with pytest.raises(ValueError, match=said):
        EnricherSettings()
