"""What categories are called in file names and slugs, and what their files are asked for with."""

import unicodedata
from urllib.parse import quote

import pytest
from yarl import URL

from services.enricher.streamers.naming import file_name_of, login_in, number_in, slug_of, unlike
from services.proxy.wanted import by_file
from shared.http import Problem
from shared.pictures import Kind
from shared.pictures.name import file_id
from shared.pictures.public_paths import PUBLIC_PATHS, FileForm

[COVERS] = [form for form in PUBLIC_PATHS.all(FileForm) if form.kind is Kind.CATEGORY]

AS_STREAMVAULT_HAS_THEM = (
    ("Just Chatting", "just_chatting"),
    ("League of Legends", "league_of_legends"),
    ("Call of Duty: Modern Warfare III", "call_of_duty_modern_warfare_iii"),
    ("PUBG: BATTLEGROUNDS", "pubg_battlegrounds"),
    ("Tom Clancy's Rainbow Six Siege", "tom_clancy's_rainbow_six_siege"),
    ("Games + Demos", "games_+_demos"),
    ("Pokémon Red/Blue", "pokémon_red_blue"),
    ("What? | Why?", "what_why"),
    ("Baldur's Gate, Part 3!", "baldur's_gate,_part_3!"),
    ("Q*bert", "q_bert"),
    ("D&D  <5>", "d&d_5"),
    ("Dr. Mario", "dr._mario"),
    (".hack//G.U.", ".hack_g.u."),
    ("_x_", "x"),
    ("原神", "原神"),
    ('Say "Cheese"', "say_cheese"),
)


@pytest.mark.parametrize(("name", "file_name"), AS_STREAMVAULT_HAS_THEM)
def test_a_categorys_file_is_called_as_streamvault_calls_it(name: str, file_name: str) -> None:
    assert file_name_of(name) == file_name
    assert file_name_of(file_name) == file_name


@pytest.mark.parametrize(
    "name",
    ["", " ", "/etc/passwd", "\\\\share", "..", ".", "...", "a/../b", "../x", "x/.", "_", "\x00", "???"],
)
def test_what_could_lead_out_of_the_folder_is_no_category(name: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        file_name_of(name)


def test_a_long_name_is_cut_where_a_letter_ends_and_leaves_room_for_a_suffix() -> None:
    cut = file_name_of("界" * 200)
    assert set(cut) == {"界"}
    assert 230 <= len(cut.encode()) <= 238
    assert file_id(f"{cut}_999").startswith("file:")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Tom Clancy's The Division®", "tom_clancys_the_division"),
        ("Pokémon Red/Blue", "pokemon_red_blue"),
        ("原神", ""),
        ("I ♥ Cats!!", "i_cats"),
        ("Die große Straße", "die_grosse_strasse"),
    ],
)
def test_a_slug_is_plain_ascii(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_who_comes_later_gets_the_first_free_suffix() -> None:
    assert unlike("a", set()) == "a"
    assert unlike("a", {"a", "a_2"}) == "a_3"


@pytest.mark.parametrize("file_name", [file_name for _, file_name in AS_STREAMVAULT_HAS_THEM])
def test_a_file_with_any_signs_is_asked_for_percent_encoded(file_name: str) -> None:
    named = by_file(COVERS, (file_name, "jpg"), URL("/"))
    assert named.name.id == file_id(file_name)
    assert URL(f"/data/images/categories/{quote(file_name, safe='')}.jpg", encoded=True).path.endswith(
        f"/{file_name}.jpg"
    )


def test_a_name_that_can_be_an_id_is_one_and_all_others_have_one_of_their_own() -> None:
    ids = [file_id(file_name) for _, file_name in AS_STREAMVAULT_HAS_THEM]
    assert ids[0] == "just_chatting"
    assert len(set(ids)) == len(ids)


def test_how_letters_are_composed_makes_no_other_file() -> None:
    composed = "pokémon"
    assert file_id(unicodedata.normalize("NFD", composed)) == file_id(composed)
    assert file_name_of(unicodedata.normalize("NFD", "Pokémon")) == composed


@pytest.mark.parametrize("file", ["", ".", "..", "...", "a/b", "a\\b", "a\0", "a\nb", "\ud800", "é" * 126])
def test_what_no_file_is_called_is_refused_with_a_sentence(file: str) -> None:
    with pytest.raises(Problem) as refused:
        by_file(COVERS, (file, "jpg"), URL("/"))
    assert refused.value.status == 400
    assert refused.value.detail.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "Somebody_1",
        "@somebody_1",
        "https://www.twitch.tv/Somebody_1",
        "http://twitch.tv/somebody_1/videos?x=1",
        "m.twitch.tv/somebody_1",
        "https://www.twitch.tv/popout/Somebody_1/chat?popout=",
        "https://dashboard.twitch.tv/u/somebody_1/home",
        "https://player.twitch.tv/?parent=x&channel=somebody_1&muted=true",
    ],
)
def test_a_streamer_is_named_by_login_or_url(text: str) -> None:
    assert login_in(text) == "somebody_1"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "https://example.org/somebody",
        "https://www.twitch.tv/",
        "é",
        "https://www.twitch.tv/videos/2000000001",
        "https://www.twitch.tv/directory/category/just-chatting",
        "https://example.org/?channel=somebody",
    ],
)
def test_what_is_no_login_is_refused_by_what_it_is(text: str) -> None:
    with pytest.raises(ValueError, match="login") as refused:
        login_in(text)
    assert f'"{text}"' in str(refused.value)


def test_twitchs_ids_are_numbers() -> None:
    assert number_in("tw:5") == number_in("5") == number_in("005") == "5"
    assert number_in("000") == "0"
    with pytest.raises(ValueError, match="numbers"):
        number_in("x")
