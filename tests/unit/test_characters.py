"""What a character's picture is decided by: names, URLs, scores, keys, files, measures, batches."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import ValidationError

from services.enricher.api.access import AccessSettings, Gate
from services.enricher.api.bearer_tokens import BearerTokens
from services.enricher.characters import CharacterSettings, GenerationFailed
from services.enricher.characters.answers import CharacterImageAnswer
from services.enricher.characters.api import wanted_title
from services.enricher.characters.audit import start_what_is_due
from services.enricher.characters.chain import (
    Chain,
    ImageSource,
    StepAnswer,
    StepResult,
    WantedCharacter,
    Worth,
    nothing,
)
from services.enricher.characters.early import answering_early
from services.enricher.characters.fast_cache import MemoryCache, id_key, name_key
from services.enricher.characters.files import CharacterFiles, described
from services.enricher.characters.images import CharacterImages, Lifetimes
from services.enricher.characters.matching import is_called, match
from services.enricher.characters.measuring import penalty
from services.enricher.characters.steps import (
    CHAIN,
    Create,
    Curated,
    Generated,
    OfTmdb,
    OfTvdb,
    found,
    worths_of,
)
from services.enricher.characters.store import character_id
from services.enricher.characters.title_casts import meant_titles
from services.enricher.characters.urls import CharacterUrls, first_of, is_generated
from services.enricher.finder.artwork.casts import CastPart, NamedTitle
from services.enricher.finder.artwork.source import Asking, Ids
from services.enricher.finder.providers.tmdb.artwork import TmdbSource
from services.enricher.finder.providers.tmdb.models.people import TitleCast
from services.enricher.finder.providers.tvdb.artwork import _parts
from services.enricher.finder.providers.tvdb.client import TvdbCharacter
from shared.http import Problem
from shared.http.early import Head
from shared.pictures import Kind, Measure
from shared.telemetry import Metrics, utc_now
from tests.contract.volumes import manifest_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ASKING = Asking(NOON)
BACKEND = "https://backend.scenextras.com"
NEO = WantedCharacter("Neo", "The Matrix")

# --- names


def parts(*characters: str) -> list[CastPart]:
    return [
        CastPart(character=one, actor=f"Actor {place}", actor_id=place, place=place)
        for place, one in enumerate(characters)
    ]


CAST = parts(
    "Tony Stark / Iron Man",
    "Howard Stark",
    'Robert "Bob" Parr (Mr. Incredible) (voice)',
    "Self - Host",
    "Walter White",
    "Walter White Jr.",
    "Amélie Poulain",
    "Dr. Henry Jones",
    "Adriana La Cerva",
    "Stormtrooper #1",
    "Stormtrooper #2",
    "Mrs. White",
    "Young Cosette",
    "T'Challa / Black Panther",
    "Æthelred (uncredited)",
    "Konstantin Konstantinovich Levin",
    "J.A.R.V.I.S. (voice)",
    "R2-D2",
    "Peter Parker / Spider-Man",
    "パパ",
    "मोना",
    "Lieutenant Dan Taylor",
    "Smith & Wesson",
)


@pytest.mark.parametrize(
    ("name", "character"),
    [
        ("tony stark", 0),
        ("IRON MAN", 0),
        ("Iron Man/Tony Stark", 0),
        ("Stark, Tony", 0),
        ("Tony", 0),
        ("Howard", 1),
        ("Stark", None),
        ("Bob Parr", 2),
        ("Bob", 2),
        ("Robert Parr", 2),
        ("mr incredible", 2),
        ("Actor 3", 3),
        ("Himself", 3),
        ("Walter White", 4),
        ("Walter White, Jr", 5),
        ("Walter", None),
        ("amelie poulain", 6),
        ("Ame\u0301lie Poulain", 6),
        ("Henry Jones", 7),
        ("Indiana Jones", None),
        ("Adrian La Cerva", None),
        ("Stormtrooper 2", 10),
        ("Stormtrooper 3", None),
        ("Stormtrooper", None),
        ("Mr. White", None),
        ("Cosette", None),
        ("TChalla", 13),
        ("T\u2019Challa", 13),
        ("aethelred", 14),
        ("Konstantin Konstantinowich Levin", 15),
        ("", None),
        ("???", None),
        ("Jarvis", 16),
        ("R2D2", 17),
        ("R2-D3", None),
        ("Spiderman", 18),
        ("パパ", 19),
        ("ハハ", None),
        ("मोना", 20),
        ("मीना", None),
        ("Lt. Dan", 21),
        ("Doctor Henry Jones", 7),
        ("Smith and Wesson", 22),
    ],
)
def test_a_name_means_the_character_that_people_write_so_and_no_other(
    name: str, character: int | None
) -> None:
    meant = match(name, CAST)
    assert (meant.part and meant.part.place) == character
    assert meant.part is None or meant.score >= 95


def test_several_who_may_be_meant_are_told_and_an_actor_tells_them_apart() -> None:
    assert [part.place for part in match("Stark", CAST).ambiguous] == [0, 1]
    assert match("Self", [*CAST, *parts("Self")]).ambiguous
    meant = match("Stark", CAST, actor="ACTOR 1").part
    assert meant is not None
    assert meant.place == 1


def test_two_lines_of_one_actor_are_one_character_and_the_one_with_a_picture_is_taken() -> None:
    one, other = parts("Two-Face", "Two-Face")
    with_picture = other.model_copy(update={"picture": "https://x/y.jpg", "actor_id": 0, "actor": one.actor})
    assert match("two face", [one, with_picture]).part == with_picture


@pytest.mark.parametrize(
    ("text", "name", "same"),
    [
        ("the matrix", "The Matrix", True),
        ("Amelie", "Amélie", True),
        ("The Godfather Part II", "The Godfather Part III", False),
        ("Rocky 2", "Rocky 3", False),
        ("The Lord of the Rimgs", "The Lord of the Rings", True),
        ("Up", "Upgrade", False),
        ("Spiderman", "Spider-Man", True),
        ("Doctor Strange & Co", "Dr. Strange and Co.", True),
        ("2 1 Guns", "21 Guns", False),
        ("ハハ", "パパ", False),
    ],
)
def test_a_title_is_the_one_that_is_called_so(text: str, name: str, same: bool) -> None:
    assert is_called(text, name) == same


def test_of_titles_of_one_name_a_year_says_which() -> None:
    titles = [
        NamedTitle(kind=Kind.MOVIE, ids=Ids(tmdb=year), name="Dune", year=year) for year in (1984, 2021)
    ]
    assert len(meant_titles(titles, "dune", None)) == 2
    assert [one.year for one in meant_titles(titles, "dune", 2020)] == [2021]
    assert meant_titles(titles, "dune", 2000) == []


# --- URLs

URLS = CharacterUrls(BACKEND)


@pytest.mark.parametrize(
    ("url", "qualified"),
    [
        ("http://localhost:8080/image/a.jpg", f"{BACKEND}/api/image-no-auth/a.jpg"),
        ("https://127.0.0.1/api/image-no-auth/a.jpg", f"{BACKEND}/api/image-no-auth/a.jpg"),
        ("/image/anonymous_1.jpg", f"{BACKEND}/api/image-no-auth/anonymous_1.jpg"),
        ("/api/image-no-auth/a.jpg", f"{BACKEND}/api/image-no-auth/a.jpg"),
        ("static/images/characters/neo.jpg", f"{BACKEND}/api/image-no-auth/neo.jpg"),
        ("neo.jpg", f"{BACKEND}/api/image-no-auth/neo.jpg"),
        ("anonymous_1.jpg", f"{BACKEND}/api/image-no-auth/anonymous_1.jpg"),
        ("https://artworks.thetvdb.com/banners/x.jpg", "https://artworks.thetvdb.com/banners/x.jpg"),
        ("https://thetvdb.com/banners/x.jpg", "https://thetvdb.com/banners/x.jpg"),
        ("/banners/person/1/x.jpg", "https://artworks.thetvdb.com/banners/person/1/x.jpg"),
        ("/abc.jpg", "https://image.tmdb.org/t/p/w500/abc.jpg"),
        ("https://image.tmdb.org/t/p/w185/abc.jpg", "https://image.tmdb.org/t/p/w185/abc.jpg"),
        ("", ""),
    ],
)
def test_a_url_is_qualified_by_whose_it_is(url: str, qualified: str) -> None:
    assert URLS.qualified(url) == qualified


def test_without_a_backend_our_own_pictures_are_paths() -> None:
    assert CharacterUrls().qualified("http://localhost/image/a b.jpg") == "/api/image-no-auth/a%20b.jpg"
    assert CharacterUrls().own_file("/api/image-no-auth/a%20b.jpg") == "a b.jpg"
    assert CharacterUrls().own_file("https://elsewhere/api/image-no-auth/a.jpg") is None


@pytest.mark.parametrize(
    ("url", "generated"),
    [
        ("anonymous_1.jpg", True),
        ("/image/anonymous_1.jpg", True),
        ("https://x.blob.example/images/generated_1.png", True),
        ("ai_generated_neo.png", True),
        ("created_1.jpg", True),
        ("/temp/1.jpg", True),
        ("tmp123.jpg", True),
        ("/tmp/1.jpg", True),
        ("neo.jpg", False),
        ("/tmpAbC.jpg", False),
        ("https://image.tmdb.org/t/p/w500/tmpAbC.jpg", False),
        ("/attempt/1.jpg", False),
    ],
)
def test_a_generated_picture_is_known_by_its_name_and_a_providers_never_is_one(
    url: str, generated: bool
) -> None:
    assert is_generated(url) == generated


def test_the_first_that_is_not_empty() -> None:
    assert first_of(None, "", " ", "a", "b") == "a"
    assert first_of(None) is None


# --- the chain


def test_the_described_scores_are_the_default_and_settings_change_order_and_scores() -> None:
    assert [(name, worth.first, worth.second) for name, worth in worths_of(CHAIN).items()] == [
        ("curated", 100, 100),
        ("generated", 80, 80),
        ("tvdb", 70, 65),
        ("tmdb", 50, 45),
        ("create", 80, 80),
    ]
    assert list(worths_of("tmdb:90, tvdb:70")) == ["tmdb", "tvdb"]
    for wrong in ("elsewhere:5", "tvdb", "tvdb:x", "tvdb:50/70", "tmdb:101", "tmdb:1 tmdb:2"):
        with pytest.raises(ValidationError):
            CharacterSettings(chain=wrong)


class Says:
    """A step that answers as it is told."""

    last_resort = False

    def __init__(self, name: str, score: float | None, url: str = "https://x/y.jpg") -> None:
        self.name = name
        self._score = score
        self._url = url
        self.asked = 0

    async def look(self, wanted: WantedCharacter, worth: Worth, asking: Asking) -> StepAnswer:
        self.asked += 1
        if self._score is None:
            return StepAnswer(step=self.name, result=StepResult.FAILED, reason="It is down.")
        return found(
            self.name, ImageSource(self.name), self._url, self._score, "It is there.", picture_id="p"
        )


def chain_of(*steps: Any, penalties: Sequence[float | None] = ()) -> Chain:
    left = list(penalties)

    async def measure(_candidate: object) -> float | None:
        return left.pop(0) if left else None

    worth = [Worth(step._score or 50, 0) if isinstance(step, Says) else Worth(80, 80) for step in steps]
    return Chain(list(zip(steps, worth, strict=True)), measure)


async def test_the_best_ends_the_asking_and_a_failure_falls_to_the_next() -> None:
    tvdb, tmdb = Says("tvdb", 70), Says("tmdb", 50)
    result = await chain_of(tvdb, tmdb).run(NEO, ASKING)
    assert (result.chosen and result.chosen.score, tmdb.asked) == (70, 0)
    result = await chain_of(Says("tvdb", None), tmdb).run(NEO, ASKING)
    assert result.chosen is not None
    assert (result.chosen.score, [answer.result for answer in result.answers]) == (50, ["failed", "picture"])


@pytest.mark.parametrize(("penalty", "chosen"), [(10.0, 70), (19.0, 70), (25.0, 50), (200.0, 50)])
async def test_a_measure_takes_away_thirty_at_most_and_may_let_the_next_win(
    penalty: float, chosen: float
) -> None:
    chain = chain_of(Says("tvdb", 70), Says("tmdb", 50), penalties=(penalty, 0.0))
    result = await chain.run(NEO, ASKING)
    assert result.chosen is not None
    assert result.chosen.score == chosen
    assert (result.candidates[0].penalty or 0) <= 30


async def test_a_curated_picture_is_not_measured() -> None:
    curated = Says("character_specific", 100)
    result = await chain_of(curated, penalties=(30.0,)).run(NEO, ASKING)
    assert result.chosen is not None
    assert (result.chosen.worth, result.chosen.penalty) == (100, None)


async def test_what_was_dropped_is_passed_over() -> None:
    steps = Says("tvdb", 70, "https://x/dead.jpg"), Says("tmdb", 50)
    result = await chain_of(*steps).run(NEO, ASKING, without=frozenset({"https://x/dead.jpg"}))
    assert result.chosen is not None
    assert result.chosen.source == "tmdb"


class Makes:
    def __init__(self, fails: bool = False) -> None:
        self.asked: list[tuple[str, str]] = []
        self._fails = fails

    async def generate(self, name: str, title: str) -> str:
        self.asked.append((name, title))
        if self._fails:
            raise GenerationFailed("The model is busy.")
        return "anonymous_1.jpg"


async def test_a_picture_is_made_only_where_nobody_has_one_and_worth_80() -> None:
    seconds: list[float] = []
    failures: list[int] = []
    makes = Makes()
    create = Create(makes, URLS, seconds.append, lambda: failures.append(1))
    result = await chain_of(Says("tmdb", 50), create).run(NEO, ASKING)
    assert (result.chosen and result.chosen.source, makes.asked) == ("tmdb", [])
    result = await chain_of(Says("tvdb", None), create).run(NEO, ASKING)
    assert result.chosen is not None
    assert (result.chosen.source, result.chosen.score) == ("ai_generated", 80)
    assert result.chosen.image_url == f"{BACKEND}/api/image-no-auth/anonymous_1.jpg"
    assert (makes.asked, len(seconds), failures) == ([("Neo", "The Matrix")], 1, [])


async def test_a_failure_to_make_one_is_counted_and_said_and_nobody_without_a_token_has_one_made() -> None:
    failures: list[int] = []
    create = Create(Makes(fails=True), URLS, lambda _: None, lambda: failures.append(1))
    result = await chain_of(create).run(NEO, ASKING)
    assert (result.chosen, result.reason, failures) == (None, "create: The model is busy.", [1])
    result = await chain_of(create).run(NEO, ASKING, may_create=False)
    assert (result.answers[0].result, failures) == ("not_asked", [1])
    unset = Create(None, URLS, lambda _: None, lambda: None)
    assert (await chain_of(unset).run(NEO, ASKING)).answers[0].result == "not_set_up"


async def test_our_own_picture_wins_over_tvdb_and_tmdb(tmp_path: Path) -> None:
    (tmp_path / "neo.jpg").write_bytes(b"x")
    files = CharacterFiles((tmp_path,))
    await files.look()
    curated = Curated(files, URLS)
    chain = Chain(
        [(curated, Worth(100, 100)), (Says("tvdb", 70), Worth(70, 65)), (Says("tmdb", 50), Worth(50, 45))],
        measure_none,
    )
    result = await chain.run(NEO, ASKING)
    assert result.chosen is not None
    assert (result.chosen.score, result.chosen.image_url) == (100, f"{BACKEND}/api/image-no-auth/neo.jpg")


async def measure_none(_candidate: object) -> float | None:
    return None


async def test_only_what_is_called_like_a_generated_picture_counts_as_one() -> None:
    step, worth = Generated(URLS), Worth(80, 80)
    for path, result in (
        ("anonymous_1.jpg", StepResult.PICTURE),
        ("/abc.jpg", StepResult.NOTHING),
        (None, StepResult.NOTHING),
    ):
        wanted = WantedCharacter("Neo", "The Matrix", profile_path=path)
        assert (await step.look(wanted, worth, ASKING)).result is result


def test_nothing_found_is_no_picture_and_the_score_0() -> None:
    answer = CharacterImageAnswer(success=False, character_name="Neo", movie_title="x")
    assert (answer.image_url, answer.quality_score) == (None, 0)
    assert nothing("tvdb", "why").candidate is None


# --- files


def test_a_name_is_written_in_a_files_as_described() -> None:
    assert described("Tony Stark/Iron Man") == "tony_stark_iron_man"


@pytest.mark.parametrize(
    ("files", "name", "chosen"),
    [
        (["character_specific_image_neo.jpg", "neo_profile.jpg", "neo.jpg"], "Neo", 0),
        (["character_specific_image_neo.png", "character_specific_image_neo.jpg"], "Neo", 1),
        (["neo_profile.png", "neo.jpg"], "Neo", 0),
        (["neo.png", "neo.jpg"], "Neo", 1),
        (["neo.webp"], "neo", 0),
        (["neo.HEIC"], "Neo", 0),
        (["tony_stark_iron_man.jpg"], "Tony Stark/Iron Man", 0),
        (["amélie_poulain.jpg"], "Amelie Poulain", 0),
        (["amelie_poulain.jpg"], "Amélie Poulain", 0),
        (["t'challa.jpg"], "TChalla", 0),
        (["neo.txt", "neo.jpg.part", "trinity.jpg"], "Neo", None),
        (["a.jpg"], "???", None),
    ],
)
async def test_files_are_found_by_the_patterns_in_their_order(
    tmp_path: Path, files: list[str], name: str, chosen: int | None
) -> None:
    for file in files:
        (tmp_path / file).write_bytes(b"x")
    found = CharacterFiles((tmp_path,))
    await found.look()
    assert found.of_character(name) == (None if chosen is None else files[chosen])


async def test_links_and_empty_files_are_not_shown_and_a_folder_that_is_not_there_is_none(
    tmp_path: Path,
) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "neo.jpg").symlink_to(tmp_path / "secret")
    (tmp_path / "trinity.jpg").touch()
    files = CharacterFiles((tmp_path / "nowhere", tmp_path))
    await files.look()
    assert list(files.names) == []


async def test_a_cast_members_picture_is_the_files_for_both_then_the_characters_then_the_actors(
    tmp_path: Path,
) -> None:
    made = ("603_6384.jpg", "character_specific_image_neo.jpg", "actor_specific_image_keanu_reeves.jpg")
    for file in made:
        (tmp_path / file).write_bytes(b"x")
    files = CharacterFiles((tmp_path,))
    for file in made:
        await files.look()
        shown = files.of_cast_member("603", "6384", "Neo", "Keanu Reeves")
        assert URLS.profile(shown, "/a.jpg") == f"{BACKEND}/api/image-no-auth/{file}"
        (tmp_path / file).unlink()
    await files.look()
    left = files.of_cast_member("603", "6384", "Neo", "Keanu Reeves")
    assert URLS.profile(left, "/a.jpg") == "https://image.tmdb.org/t/p/w500/a.jpg"
    assert URLS.profile([], None) is None


async def test_a_titles_poster_is_a_generated_cover_then_its_files_then_tmdbs(tmp_path: Path) -> None:
    made = (
        "anonymous_c.jpg",
        "character_specific_image_dune.jpg",
        "abc.jpg",
        "dune_cover.png",
    )
    for file in made:
        (tmp_path / file).write_bytes(b"x")
    files = CharacterFiles((tmp_path,))
    for file in made:
        await files.look()
        assert next(files.of_title("Dune", "/abc.jpg", "anonymous_c.jpg")) == file
        (tmp_path / file).unlink()
    await files.look()
    assert URLS.profile(files.of_title("Dune", "/abc.jpg", None), "/abc.jpg") == (
        "https://image.tmdb.org/t/p/w500/abc.jpg"
    )


# --- keys, tiers, measures


def test_the_same_inputs_make_the_same_key_however_they_are_written() -> None:
    assert id_key("7", "Neo", "The Matrix") == id_key("7", "NEO", "the  matrix") != id_key("8", "Neo", "x")
    assert id_key("7", "Neo", "The Matrix").startswith("char_img:v1:")
    assert name_key("Amélie", "Le Fabuleux") == "char_img_cache:v1:amelie:le fabuleux"
    assert character_id("Neo", "The Matrix") == character_id("neo", "the matrix")


async def test_what_the_fast_tier_has_ends_with_its_time_its_room_or_when_it_is_dropped() -> None:
    now = [0.0]
    cache = MemoryCache(2000, lambda: now[0])
    await cache.put("char_img:a", b"a", 10)
    await cache.put("char_img_cache:b", b"b", 100)
    assert (await cache.get("char_img:a"), await cache.count("char_img")) == (b"a", 2)
    now[0] = 11.0
    assert [await cache.get(key) for key in ("char_img:a", "char_img_cache:b")] == [None, b"b"]
    for number in range(20):
        await cache.put(f"char_img:{number}", b"x" * 100, 100)
    assert await cache.get("char_img_cache:b") is None
    assert await cache.drop_all("char_img:") > 0
    assert await cache.count("char_img") == 0


@pytest.mark.parametrize(
    ("size", "measure", "taken"),
    [
        ((500, 750), None, 0),
        ((500, 750), Measure(sharpness=400), 0),
        ((45, 68), Measure(sharpness=5), 25),
        ((45, 68), Measure(sharpness=5, faces=0), 30),
        ((125, 200), Measure(sharpness=400, faces=1), 7.5),
        ((500, 750), Measure(sharpness=100, faces=2), 15),
    ],
)
def test_a_measure_takes_away_for_size_blur_and_faces(
    size: tuple[int, int], measure: Measure | None, taken: float
) -> None:
    manifest = manifest_of(b"x")
    original = manifest.original.model_copy(update={"width": size[0], "height": size[1]})
    assert penalty(manifest.model_copy(update={"original": original, "measure": measure})) == taken


class Batched(CharacterImages):
    """Answers by id as a test says, and counts how many it is asked at once."""

    def __init__(self) -> None:
        unused: Any = None
        self.pauses: list[float] = []
        self.running = self.most = 0
        super().__init__(
            *(unused, unused, unused),
            fast=unused,
            files=unused,
            urls=URLS,
            chosen=unused,
            answers=unused,
            lifetimes=Lifetimes(1, 1),
            batch_size=5,
            cast_limit=20,
            metrics=Metrics(),
            now=utc_now,
            sleep=self.pause,
        )

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def by_id(self, id_: str, *, force: bool = False, may_create: bool = False) -> CharacterImageAnswer:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if id_ == "3":
            raise Problem(HTTPStatus.NOT_FOUND, "Nobody.")
        return CharacterImageAnswer(success=True, character_name=id_, movie_title="x")


@pytest.mark.parametrize(
    ("count", "batches", "pauses"), [(10, 2, [1.0]), (5, 1, []), (11, 3, [1.0, 1.0]), (1, 1, [])]
)
async def test_a_batch_is_five_at_once_a_second_apart_and_none_after_the_last(
    count: int, batches: int, pauses: list[float]
) -> None:
    asked = Batched()
    answer = await asked.batch([str(number) for number in range(count)])
    assert (answer.batches, asked.pauses, asked.most) == (batches, pauses, min(5, count))
    failed = [id_ for id_, one in answer.results.items() if not one.success]
    assert failed == (["3"] if count > 3 else [])
    assert answer.succeeded + answer.failed == count


# --- early answers

KNOWN = b'{"success":true}'
KEY = name_key("Neo", "The Matrix")
HOME = {"Host": "localhost"}


def early_answer(target: str, headers: dict[str, str] | None = None, *, may: bool = True) -> bytes | None:
    early = answering_early(
        lambda key: KNOWN if key == KEY else None, lambda _headers: may, "enricher", Metrics()
    )
    said = CIMultiDictProxy(CIMultiDict(headers or HOME))
    answer = early.answer(Head(target, is_1_1=True, stays=True, headers=said))
    return answer.bytes if answer else None


ASKED = "/api/v1/characters/image?name=Neo&movie_title=The%20Matrix"


def test_what_is_at_hand_is_answered_whole_before_the_request_is_parsed() -> None:
    for target in (ASKED, ASKED.replace("%20", "+").replace("Neo", "NEO")):
        head, _, body = (early_answer(target) or b"").partition(b"\r\n\r\n")
        assert (body, head.splitlines()[0]) == (KNOWN, b"HTTP/1.1 200 OK")
        assert f"Content-Length: {len(KNOWN)}".encode() in head
        assert b"X-Trace-Id: " in head


@pytest.mark.parametrize(
    "target",
    [
        ASKED.replace("Neo", "Trinity"),
        f"{ASKED}&force_regenerate=true",
        f"{ASKED}&actor=x",
        f"{ASKED}&name=Neo",
        f"{ASKED}&year=1999",
        f"{ASKED}&year=x",
        ASKED.replace("Neo", "%FF"),
        ASKED.replace("name=Neo", "name="),
        "/api/v1/characters/image",
        "/api/v1/characters/stats?name=Neo&movie_title=The%20Matrix",
    ],
)
def test_what_is_asked_otherwise_is_left_to_aiohttp(target: str) -> None:
    assert early_answer(target) is None


def test_who_may_not_read_or_has_an_answer_already_is_left_to_aiohttp() -> None:
    assert early_answer(ASKED, may=False) is None
    assert early_answer(ASKED, {**HOME, "If-None-Match": "*"}) is None


@pytest.mark.parametrize(
    ("settings", "headers", "may"),
    [
        ({}, HOME, True),
        ({}, {"Host": "elsewhere.example"}, False),
        ({}, {**HOME, "X-Forwarded-For": "203.0.113.5"}, False),
        ({"expose_api": True}, {**HOME, "X-Forwarded-For": "203.0.113.5"}, True),
        ({"api_tokens": ("one",)}, HOME, False),
        ({"api_tokens": ("one",)}, {**HOME, "Authorization": "Bearer one"}, True),
        ({"api_tokens": ("one",)}, {**HOME, "Authorization": "Bearer two"}, False),
    ],
)
def test_early_answers_are_for_those_whom_the_gate_lets_read(
    settings: dict[str, Any], headers: dict[str, str], may: bool
) -> None:
    given = AccessSettings(**settings)
    gate = Gate(BearerTokens("admin", given.api_tokens), given)
    assert gate.may_read(CIMultiDict(headers)) == may


# --- what providers have, and what is due


def test_of_tvdbs_fields_the_first_that_is_not_empty_is_taken_and_crew_is_no_cast() -> None:
    fields = ("image", "image_url", "personImgURL", "personImage")
    urls = {field: f"https://artworks.thetvdb.com/{field}.jpg" for field in fields}
    characters = [
        {"id": 1, "name": "Neo", "sort": 2, **dict(list(urls.items())[place:]), "peopleType": "Actor"}
        for place in range(len(fields))
    ]
    crew = {"id": 9, "name": "Director", "peopleType": "Director", **urls}
    read = [TvdbCharacter.model_validate(one) for one in (*characters, crew, {"id": 8, "image": ""})]
    assert [part.picture for part in _parts(read)] == list(urls.values())


async def test_tvdb_that_says_what_it_said_before_is_worth_65_and_tmdbs_series_45() -> None:
    worth = worths_of(CHAIN)
    casts: Any = None
    tvdb, tmdb = OfTvdb(casts, URLS), OfTmdb(casts, URLS)
    assert [tvdb.score(worth["tvdb"], Kind.SERIES, stale=stale) for stale in (False, True)] == [70, 65]
    assert [tmdb.score(worth["tmdb"], kind, stale=False) for kind in (Kind.MOVIE, Kind.SERIES)] == [50, 45]


def test_of_a_series_each_role_that_somebody_plays_is_a_part() -> None:
    said = TitleCast.model_validate(
        {
            "id": 1,
            "name": "Orphan Black",
            "aggregate_credits": {
                "cast": [
                    {
                        "id": 5,
                        "name": "Tatiana Maslany",
                        "roles": [{"character": "Sarah Manning"}, {"character": "Alison Hendrix"}],
                        "profile_path": "/a.jpg",
                    }
                ]
            },
            "external_ids": {"tvdb_id": 260315},
        }
    )
    metadata: Any = None
    cast = TmdbSource(metadata, image_url="https://x/t/p", languages=())._cast(Kind.SERIES, said)
    assert [(part.character, part.place) for part in cast.parts] == [
        ("Sarah Manning", 0),
        ("Alison Hendrix", 0),
    ]
    assert cast.ids == Ids(tmdb=1, tvdb=260315)


@pytest.mark.parametrize(("days", "started"), [(None, 2), (1, 0), (8, 1), (31, 2)])
async def test_the_clean_up_is_weekly_and_the_audit_monthly_however_often_the_process_starts(
    days: int | None, started: int
) -> None:
    kinds: list[str] = []

    async def newest(*, limit: int, kind: str) -> list[Any]:
        return [] if days is None else [SimpleNamespace(created_at=NOON - timedelta(days=days))]

    async def start(kind: str, _arguments: object) -> None:
        kinds.append(kind)

    tasks: Any = SimpleNamespace(list=newest, start=start)
    await start_what_is_due(tasks, NOON)
    assert len(kinds) == started


@pytest.mark.parametrize(
    ("title", "kind", "year", "called"),
    [
        ("Dune (2021)", None, 2021, "Dune"),
        ("Dune", None, None, "Dune"),
        ("Airplane (II)", None, None, "Airplane (II)"),
        ("tmdb:603", Kind.MOVIE, None, "movie tmdb:603"),
    ],
)
def test_a_title_may_have_its_year_with_it_or_be_an_id(
    title: str, kind: Kind | None, year: int | None, called: str
) -> None:
    wanted = wanted_title(title, None, None)
    assert (wanted.kind, wanted.year, wanted.title) == (kind, year, called)
    with pytest.raises(Problem):
        wanted_title("tmdb:x", None, None)


class Images(Batched):
    """Looked for one after the other, as a test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.fast = MemoryCache(10_000, lambda: 0.0)
        self.looked = 0
        self.gate = asyncio.Event()

    async def _looked_for(self, *_: Any, **__: Any) -> CharacterImageAnswer:
        self.looked += 1
        await self.gate.wait()
        return CharacterImageAnswer(success=True, character_name="Neo", movie_title="x")


async def test_whoever_wants_the_same_at_once_has_one_answer_also_where_the_first_gives_up() -> None:
    images = Images()
    first, *others = [asyncio.create_task(images.by_name(NEO)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    images.gate.set()
    assert all(answer.success for answer in await asyncio.gather(*others))
    assert images.looked == 2
