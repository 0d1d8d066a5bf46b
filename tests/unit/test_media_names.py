"""What the names of files and folders say."""

import pytest

from services.enricher.library import ItemIds
from services.enricher.library.scan.names import (
    as_text,
    is_extra,
    is_season,
    is_video,
    legible,
    series_of_episode,
)
from services.enricher.library.scan.tagged import ids_in
from services.enricher.library.scan.titles import Titled, plainly, roughly


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("Dune (2021) {imdb-tt1160419}", ItemIds(imdb="tt1160419")),  # Plex, Radarr
        ("Dune (2021) [imdbid-tt1160419]", ItemIds(imdb="tt1160419")),  # Jellyfin
        ("Dune (2021) [imdbid=tt1160419]", ItemIds(imdb="tt1160419")),  # Emby
        ("Dune (2021) {tmdb-438631}", ItemIds(tmdb=438631)),
        ("Dune (2021) [tmdbid-438631]", ItemIds(tmdb=438631)),
        ("Dune (2021) (tmdb 438631)", ItemIds(tmdb=438631)),
        ("Breaking Bad (2008) {tvdb-81189}", ItemIds(tvdb=81189)),
        ("Breaking Bad [tvdbid-81189] [TMDBID-1396]", ItemIds(tmdb=1396, tvdb=81189)),
        ("Dune.2021.tt1160419.1080p", ItemIds(imdb="tt1160419")),
        ("TT1160419", ItemIds(imdb="tt1160419")),
        ("Dune {imdb-tt1160419}{tmdb-1} tt7654321", ItemIds(imdb="tt1160419", tmdb=1)),
        ("Dune {tmdb-0} {tvdb-12345678901} {edition-Extended}", ItemIds()),
        ("Mutt1234567 and att1234567b", ItemIds()),
        ("Dune (2021)", ItemIds()),
    ],
)
def test_ids_stand_in_names_as_media_servers_write_them(name: str, ids: ItemIds) -> None:
    assert ids_in(name) == ids


@pytest.mark.parametrize(
    ("name", "titled"),
    [
        ("Dune (2021)", Titled("Dune", 2021)),
        ("2001: A Space Odyssey (1968) {imdb-tt0062622}", Titled("2001: A Space Odyssey", 1968)),
        ("Dune (2021) 1080p", None),
        ("Dune.2021.1080p", None),
        ("Dune", None),
    ],
)
def test_title_and_year_are_read_where_nothing_else_is_there(name: str, titled: Titled | None) -> None:
    assert plainly(name) == titled


@pytest.mark.parametrize(
    ("name", "titled"),
    [
        ("Blade.Runner.2049.2017.1080p.BluRay {imdb-tt1856101}", Titled("Blade Runner 2049", 2017)),
        ("2012 (2009) [1080p]", Titled("2012", 2009)),
        ("1917.2019.2160p", Titled("1917", 2019)),
        ("Some_Film_1080p_x264", Titled("Some Film")),
        ("Dune {tmdb-1}", Titled("Dune")),
        ("tt1160419", Titled("tt1160419")),
    ],
)
def test_a_name_with_ids_gives_a_rough_title(name: str, titled: Titled) -> None:
    assert roughly(name) == titled


@pytest.mark.parametrize(
    ("file", "series"),
    [
        ("Breaking.Bad.S01E02.mkv", "breaking bad"),
        ("Breaking Bad - 1x02 - x.mkv", "breaking bad"),
        ("S01E02.mkv", ""),
        ("Dune.2021.1920x1080.mkv", None),
        ("Dune (2021).mkv", None),
    ],
)
def test_episodes_are_told_from_movies(file: str, series: str | None) -> None:
    assert series_of_episode(file) == series


@pytest.mark.parametrize("folder", ["Season 1", "season 01", "S02", "Staffel 3", "Series 1 (2008)"])
def test_folders_of_seasons(folder: str) -> None:
    assert is_season(folder)
    assert not is_season("Series of Unfortunate Events")
    assert not is_season("S1m0ne (2002)")


@pytest.mark.parametrize(
    "file", ["Dune-trailer.mkv", "sample.mkv", "dune.sample.mkv", "x-behindthescenes.mp4"]
)
def test_extras_are_no_titles(file: str) -> None:
    assert is_extra(file)
    assert not is_extra("Trailer Park Boys.mkv")
    assert not is_extra("The Sample Man.mkv")


def test_what_is_a_video() -> None:
    assert is_video("x.MKV")
    assert not any(map(is_video, ("x.srt", ".x.mkv", "mkv", "x.mkv.part")))


def test_bytes_that_are_no_utf8_are_read_as_latin_1_and_stored_as_escapes() -> None:
    name = b"Am\xe9lie\n (2001)".decode(errors="surrogateescape")
    assert legible(name) == "Amélie (2001)"
    assert as_text(name) == "Am\\xe9lie\n (2001)"
    as_text(name).encode()
