"""What the names of files and folders say."""

import pytest

from services.enricher.library import ItemIds, MediaType
from services.enricher.library.scan.names import as_text, ids_in, is_extra, is_video, legible
from services.enricher.library.scan.seasons import Sign, is_season, may_be_season, numbered, season_after
from services.enricher.library.scan.titles import Titled, plainly, roughly, surely

MOVIE, TV = MediaType.MOVIE, MediaType.TV


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
    ("name", "titled"),
    [
        ("The.Long.Walk.1971.1080p.BluRay.x264-GRP", Titled("The Long Walk", 1971)),
        ("Harbour.Lights.EXTENDED.1988.German.DL.720p.WEB.h264-X", Titled("Harbour Lights", 1988)),
        ("Harbour.Lights.German.DL.AC3.Dubbed.BluRay.x264-X", Titled("Harbour Lights")),
        ("The.French.Baker.2013.720p.BluRay", Titled("The French Baker", 2013)),
        ("The English Garden", Titled("The English Garden")),
        ("Nights.of.Summer.2009.1080p.WEB-DL", Titled("Nights of Summer", 2009)),
        ("Summer.1993.2017.1080p.WEB-DL", Titled("Summer 1993", 2017)),
        ("Class.of.1991.1994.1080p.WEB-DL", Titled("Class of 1991", 1994)),
        ("1899.2022.2160p.NF.WEB-DL", Titled("1899", 2022)),
        ("Harvest 2077 (2015)", Titled("Harvest 2077", 2015)),
        ("Harvest.2077.1080p.WEB-DL", Titled("Harvest 2077")),
        ("(400).Nights.Alone.(2009).DTS.1080p", Titled("(400) Nights Alone", 2009)),
        ("[SOS] 2 (2009)", Titled("[SOS] 2", 2009)),
        ("[Group] Paper Cranes (2016) [BD 1080p]", Titled("Paper Cranes", 2016)),
        ("www.example.org - Salt Road 2008 720p", Titled("Salt Road", 2008)),
        ("(1995) Salt Road", Titled("Salt Road", 1995)),
        ("Salt Road (1994-2004)", Titled("Salt Road", 1994)),
        ("Salt Road (1999)(2000)", Titled("Salt Road", 1999)),
        ("Salt Road [1999-2000] [1080p]", Titled("Salt Road", 1999)),
        ("9-1-1", Titled("9-1-1")),
        ("Nights.in.L.A.1996.GERMAN.720p", Titled("Nights in L A", 1996)),
        ("[Group] Salt Road [Dual-Audio][BDRip 1920x804 FLACx2] [91FC62A8]", Titled("Salt Road")),
        ("Salt.Road.1999.Part.Two.1080p", Titled("Salt Road", 1999)),
        ("Salt.Road.1999.Part.Two", None),
        ("Salt Road Multi", None),
    ],
)
def test_a_films_title_ends_at_its_year_or_where_the_recording_is_described(
    name: str, titled: Titled | None
) -> None:
    assert surely(name, MOVIE) == titled


@pytest.mark.parametrize(
    ("file", "sign", "titled"),
    [
        ("Salt.Road.S01E02.720p", Sign.CODE, Titled("Salt Road")),
        ("Salt.Road.2005.S01E02", Sign.CODE, Titled("Salt Road", 2005)),
        ("Answer 1988 - S01E02", Sign.CODE, Titled("Answer 1988")),
        ("Answer 1988 S01E02 720p WEB", Sign.CODE, Titled("Answer", 1988)),
        ("Answer (1988) - S01E02", Sign.CODE, Titled("Answer", 1988)),
        ("Salt.Road.US.S01E02", Sign.CODE, Titled("Salt Road US")),
        ("Ward.104.S01E02", Sign.CODE, Titled("Ward 104")),
        (
            "24-6 Report - Live - From the Sea - S01E03 - Episode 3",
            Sign.CODE,
            Titled("24-6 Report - Live - From the Sea"),
        ),
        ("Trust No B---- in Unit 23.S01E01", Sign.CODE, Titled("Trust No B---- in Unit 23")),
        ("Salt_Road!_-_7x6_-_The_Ship_[SDTV]", Sign.CODE, Titled("Salt Road!")),
        ("Salt Road - 1x02 - x", Sign.CODE, Titled("Salt Road")),
        ("Salt Road - S41 E10478 - 2014-08-15", Sign.CODE, Titled("Salt Road")),
        ("Salt Road!.S2016E14.2016-01-20", Sign.CODE, Titled("Salt Road!")),
        ("Salt Road Season 3 Episode 9 - x", Sign.CODE, Titled("Salt Road")),
        ("Salt Road Staffel 3 Folge 9", Sign.CODE, Titled("Salt Road")),
        ("Salt Road S01xE02 x", Sign.CODE, Titled("Salt Road")),
        ("Salt Road S03 - E09", Sign.CODE, Titled("Salt Road")),
        ("Salt.Road.S01.Ep06", Sign.CODE, Titled("Salt Road")),
        ("Salt Road E05", Sign.CODE, Titled("Salt Road")),
        ("Salt.Road.2010.10.11.A.Guest", Sign.CODE, Titled("Salt Road")),
        ("Salt Road 2018_03_24_19_00_00", Sign.CODE, Titled("Salt Road")),
        ("[Group] Salt Road S2 - 05 (1080p) [ABCD1234]", Sign.CODE, Titled("Salt Road")),
        ("[Group]_Salt_Road!!_-_06_[848x480][859EEAFA]", Sign.CODE, Titled("Salt Road!!")),
        ("10x10 (2018)", Sign.BARE_CODE, Titled("10x10", 2018)),
        ("Salt Road - Episode 5", Sign.WORD, Titled("Salt Road")),
        ("Salt Road - 07", Sign.NUMBER, Titled("Salt Road")),
        ("Salt Road 112", Sign.ENDING, Titled("Salt Road")),
        ("Salt.Road.2021.1920x1080", None, Titled("Salt Road", 2021)),
        ("Salt Road (2021)", None, Titled("Salt Road", 2021)),
    ],
)
def test_a_series_title_ends_at_the_number_of_its_episode(
    file: str, sign: Sign | None, titled: Titled
) -> None:
    found = numbered(file)
    assert (found and found.sign) is sign
    assert surely(file, TV) == titled


@pytest.mark.parametrize(
    "folder",
    [
        *(
            "Season 1",
            "season 01",
            "S02",
            "Series 1 (2008)",
            "Season 1 - The Sea",
            "Season 01 1080p",
            "Season One",
        ),
        *(
            "Season 2009",
            "Season1",
            "Season II",
            "2nd Season",
            "First Season",
            "Staffel 3",
            "3.Staffel",
            "Saison 2",
        ),
        *("Temporada 1", "1ª Temporada", "Stagione 7 (2016)", "Seizoen 2", "Sæson 1", "Säsong 1", "Sesong 1"),
        *(
            "Kausi 1",
            "Sezon 1",
            "sezóna 1",
            "1. sezona",
            "Sezonul 1",
            "1. évad",
            "Évad 2",
            "Сезон 1",
            "1 сезон",
            "1-й сезон",
            "2-ой сезон",
        ),
        *(
            "Řada 1",
            "Erste Staffel",
            "Première saison",
            "Primera temporada",
            "Prima stagione",
            "Сезон второй",
        ),
        *("Musim 1", "Mùa 2", "시즌 1", "1기", "シーズン 1", "第1季", "第二季", "الموسم 1", "עונה 1"),
    ],
)
def test_folders_of_seasons_in_the_languages_people_use(folder: str) -> None:
    assert is_season(folder)


@pytest.mark.parametrize(
    "folder",
    [
        *("Series of Odd Events", "S1m0ne (2002)", "Season of the Fox", "One Season Left", "300", "24"),
        *("Series 7 The Candidates (2001)", "S21 The Killing Machine (2003)", "Season (8)", "Serial 1"),
    ],
)
def test_a_films_folder_that_begins_like_a_season_is_none(folder: str) -> None:
    assert not is_season(folder)


def test_volumes_and_bare_numbers_may_be_seasons() -> None:
    assert all(map(may_be_season, ("Volume 1", "Book One", "2", "Part 03")))
    assert not any(map(may_be_season, ("300", "Volume", "2 Days (2003)")))


@pytest.mark.parametrize(
    ("folder", "before"),
    [
        ("Drift.S01.2160p.WEB-DL.DDP5.1.H.265-X", "Drift"),
        ("Drift [S04][1080p.PDTV.x264-X]", "Drift"),
        ("Drift Season 01 1080p", "Drift"),
        ("Drift - S01E01", "Drift"),
        ("Drift.S01-S03.1080p", "Drift"),
        ("S06E05", ""),
        ("Babylon 5", None),
    ],
)
def test_a_pack_and_an_episodes_folder_say_which_series_they_are_of(folder: str, before: str | None) -> None:
    assert season_after(folder) == before


@pytest.mark.parametrize(
    "file", ["Dune-trailer.mkv", "sample.mkv", "dune.sample.mkv", "x-behindthescenes.mp4", "x-scene2.mp4"]
)
def test_extras_are_no_titles(file: str) -> None:
    assert is_extra(file)
    assert not is_extra("Trailer Park Boys.mkv")
    assert not is_extra("The Sample Man.mkv")


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("We Live In A Trailer.mp4", "movies"),
        ("We.Live.In.A.Trailer.mp4", "movies"),
        ("Trailer.mkv", "Trailer (1999)"),
        ("Free Sample.mkv", "Free Sample (2012)"),
    ],
)
def test_a_film_that_is_called_as_extras_are_is_no_extra(file: str, folder: str) -> None:
    assert not is_extra(file, [file, "Alien.mkv"], folder=folder)


def test_a_trailer_beside_its_film_is_one_whatever_its_sign() -> None:
    assert is_extra("We Live trailer.mp4", ["We Live (2001).mkv"], folder="We Live (2001)")


def test_what_is_a_video() -> None:
    assert is_video("x.MKV")
    assert not any(map(is_video, ("x.srt", ".x.mkv", "mkv", "x.mkv.part")))


def test_bytes_that_are_no_utf8_are_read_as_latin_1_and_stored_as_escapes() -> None:
    name = b"Am\xe9lie\n (2001)".decode(errors="surrogateescape")
    assert legible(name) == "Amélie (2001)"
    assert as_text(name) == "Am\\xe9lie\n (2001)"
    as_text(name).encode()
