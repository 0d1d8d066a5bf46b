"""NFO files: what they say, and what they cannot do."""

import os
from pathlib import Path

import pytest

from services.enricher.library import ItemIds, MediaType
from services.enricher.library.scan.nfo import MAX_BYTES, Nfo, read_nfo

MOVIE, TV = MediaType.MOVIE, MediaType.TV


def said(tmp_path: Path, content: str | bytes, media_type: MediaType = MOVIE) -> Nfo:
    file = tmp_path / "x.nfo"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_nfo(str(file), media_type)


def test_a_movie_as_kodi_writes_it(tmp_path: Path) -> None:
    nfo = said(
        tmp_path,
        """<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
        <movie><title>Dune</title><year>2021</year><plot>x</plot>
        <uniqueid type="imdb" default="true">tt1160419</uniqueid><uniqueid type="tmdb">438631</uniqueid></movie>""",
    )
    assert nfo == Nfo(ItemIds("tt1160419", 438631), "Dune", 2021)


@pytest.mark.parametrize(
    ("content", "media_type", "ids"),
    [
        ("<movie><id>tt1160419</id><tmdbid>5</tmdbid></movie>", MOVIE, ItemIds("tt1160419", 5)),
        ("<movie><imdb_id>tt1160419</imdb_id></movie>", MOVIE, ItemIds("tt1160419")),
        (
            "<tvshow><id>81189</id><imdb_id>tt0903747</imdb_id></tvshow>",
            TV,
            ItemIds("tt0903747", None, 81189),
        ),
        ("<tvshow><tvdbid>81189</tvdbid></tvshow>", TV, ItemIds(tvdb=81189)),
        ("<movie><imdb>tt1160419</imdb><tmdb>5</tmdb></movie>", MOVIE, ItemIds("tt1160419", 5)),
        ("<movie><id>tt1160419</id><imdb>8.1</imdb></movie>", MOVIE, ItemIds("tt1160419")),
        ("<movie><title>a & b</title><imdb>tt1160419</imdb></movie>", MOVIE, ItemIds("tt1160419")),
        ("<movie xmlns='http://a.example'><tmdbid>5</tmdbid></movie>", MOVIE, ItemIds(tmdb=5)),
        ("IMDb ....: tt1160419 (7.5)", MOVIE, ItemIds("tt1160419")),
        ("tt1160419 or tt0133093", MOVIE, ItemIds()),
        ("<movie><id>123</id></movie>", MOVIE, ItemIds()),
        ("<movie><tmdbid>-1</tmdbid><imdbid>nm0000001</imdbid></movie>", MOVIE, ItemIds()),
        ("<episodedetails><id>tt1160419</id></episodedetails>", TV, ItemIds()),
        ("https://www.imdb.com/title/tt1160419/", MOVIE, ItemIds("tt1160419")),
        ("see https://www.themoviedb.org/movie/438631-dune ok", MOVIE, ItemIds(tmdb=438631)),
        ("https://www.themoviedb.org/tv/1396", TV, ItemIds(tmdb=1396)),
        ("https://www.themoviedb.org/tv/1396", MOVIE, ItemIds()),
        ("https://thetvdb.com/?tab=series&id=81189", TV, ItemIds(tvdb=81189)),
        (
            "<movie><title>x</title></movie>\nhttps://www.imdb.com/title/tt1160419",
            MOVIE,
            ItemIds("tt1160419"),
        ),
        ("<movie><title>broken\nhttps://www.imdb.com/title/tt1160419", MOVIE, ItemIds("tt1160419")),
        ("https://thetvdb.com/?id=81189&tab=series", TV, ItemIds(tvdb=81189)),
        ("https://www.thetvdb.com/index.php?tab=series&id=81189", TV, ItemIds(tvdb=81189)),
        ('<movie><id moviedb="other">9</id><id moviedb="tmdb">5</id></movie>', MOVIE, ItemIds(tmdb=5)),
        ('<movie><uniqueid type="themoviedb">5</uniqueid></movie>', MOVIE, ItemIds(tmdb=5)),
        ('<tvshow><id IMDB="tt1160419" TMDB="5">81189</id></tvshow>', TV, ItemIds("tt1160419", 5, 81189)),
        (
            "<movie><ids><entry><key>tmdb</key><value>5</value></entry></ids></movie>",
            MOVIE,
            ItemIds(tmdb=5),
        ),
        ("", MOVIE, ItemIds()),
    ],
)
def test_ids_in_all_the_ways_that_programs_write_them(
    tmp_path: Path, content: str, media_type: MediaType, ids: ItemIds
) -> None:
    assert said(tmp_path, content, media_type).ids == ids


def test_where_there_is_no_title_the_original_one_is_it(tmp_path: Path) -> None:
    content = "<movie><title></title><originaltitle>Oben</originaltitle></movie>"
    assert said(tmp_path, content).title == "Oben"
    assert said(tmp_path, content.replace("</movie>", "&")).title == "Oben"


def test_the_title_stays_where_the_ids_are_in_an_address_after_it(tmp_path: Path) -> None:
    nfo = said(tmp_path, "<movie><title> A\nB </title><year>x</year></movie>imdb.com/title/tt1160419")
    assert nfo == Nfo(ItemIds("tt1160419"), "A B", None)


@pytest.mark.parametrize(
    "content",
    [
        "<movie><title>Salt & Road</title><year>2002</year><uniqueid type='tmdb'>5</uniqueid></movie>",
        "<movie><title>Salt &amp; Road</title><year>2002</year><uniqueid type='tmdb'>5</uniqueid></movie></xml>",
        "<movie><title>Salt &amp; Road</title><year>2002</year><uniqueid type='tmdb'>5</uniqueid></movi",
        "<movie><title><![CDATA[Salt & Road]]></title><plot>a < b</plot><year>2002</year><tmdbid>5</tmdbid>",
        "<!DOCTYPE movie><movie><title>Salt &amp; Road</title><year>2002</year><tmdbid>5</tmdbid></movie>",
        "<movie><title>Salt &amp; Road</title><plot>caf&eacute;</plot><year>2002</year><tmdbid>5</tmdbid></movie>",
    ],
)
def test_what_is_no_sound_xml_is_read_as_far_as_it_goes_and_told(tmp_path: Path, content: str) -> None:
    nfo = said(tmp_path, content)
    assert (nfo.ids, nfo.title, nfo.year) == (ItemIds(tmdb=5), "Salt & Road", 2002)
    assert nfo.broken


def test_named_signs_in_a_broken_file_are_those_of_html(tmp_path: Path) -> None:
    assert said(tmp_path, "<movie><title>Am&eacute;lie</title></movie>").title == "Amélie"


@pytest.mark.parametrize("tag", ["premiered", "releasedate", "aired"])
def test_the_year_is_that_of_a_date_where_it_is_nought_or_missing(tmp_path: Path, tag: str) -> None:
    for year in ("<year>0</year>", ""):
        nfo = said(tmp_path, f"<movie><title>x</title>{year}<{tag}>2000-05-01</{tag}></movie>")
        assert nfo.year == 2000


def test_entities_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("tt7777777")
    for declared in ('<!ENTITY x "tt7777777">', f'<!ENTITY x SYSTEM "file://{secret}">'):
        nfo = said(tmp_path, f"<!DOCTYPE movie [{declared}]><movie><imdbid>&x;</imdbid></movie>")
        assert nfo == Nfo(broken="it has a document type")


def test_a_bomb_does_not_go_off(tmp_path: Path) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    said(tmp_path, f'<!DOCTYPE movie [<!ENTITY e0 "ha">{levels}]><movie><title>&e11;</title></movie>')
    said(tmp_path, "<movie>" + "<a>" * 100_000)
    said(tmp_path, "imdb.com/title/" * 60_000)


def test_other_encodings_and_none(tmp_path: Path) -> None:
    xml = '<?xml version="1.0" encoding="{}"?><movie><title>Amélie</title></movie>'
    assert said(tmp_path, xml.format("ISO-8859-1").encode("latin-1")).title == "Amélie"
    assert said(tmp_path, xml.format("no-such-thing")).title == "Amélie"
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"):
        assert said(tmp_path, xml.format("utf-16").encode(encoding)).title == "Amélie"
    assert said(tmp_path, bytes(range(256)) * 100) == Nfo()


def test_a_file_that_is_too_large_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="larger"):
        said(tmp_path, b"<movie>" + b" " * MAX_BYTES)


def test_links_and_pipes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("imdb.com/title/tt1160419")
    (tmp_path / "link.nfo").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe.nfo")
    with pytest.raises(OSError, match="symbolic"):
        read_nfo(str(tmp_path / "link.nfo"), MOVIE)
    with pytest.raises(ValueError, match="not a file"):
        read_nfo(str(tmp_path / "pipe.nfo"), MOVIE)
