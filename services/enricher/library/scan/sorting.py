"""What the videos in a folder are: films, or episodes of which series.

The operator's word for the library decides first, then a `tvshow.nfo`, then what the folder is called and lies in, then
the files' own names. Signs that may as well belong to a film count only in a folder that is called as the series is.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from services.enricher.library.item import MediaType
from services.enricher.library.same_title import plain
from services.enricher.library.scan import seasons
from services.enricher.library.scan.listing import Folder
from services.enricher.library.scan.names import DISCS, legible
from services.enricher.library.scan.seasons import Numbered, Sign
from services.enricher.library.scan.titles import Titled, has_span, roughly, surely

_PART = re.compile(
    r"(?P<before>.*?)[ ._\-]*[(\[]?(?P<word>cd|dvd|disc|disk|part|pt)[ ._\-]*(?P<number>\d{1,2}|[a-d])(?![^\W_])[)\]]?(?P<after>.*)",
    re.IGNORECASE,
)
_MAY_BE_DISC = re.compile(r"cd|dis[ck]", re.IGNORECASE)
_LETTER = re.compile(r"(?P<before>.*[^\W_])(?P<number>[a-d])(?P<after>)")
_LONG_NUMBER = 3
"""Digits, of which no film's sequels need as many."""

_DISC_NFOS = ("index", "movie", "video_ts")
_VERSION = re.compile(r"\s*(?:$|[-_.\[(])")
_YEAR = re.compile(r"(?<!\d)(?:18[89]|19\d|20\d)\d(?!\d)")


@dataclass(frozen=True, slots=True)
class FilmFiles:
    path: str
    nfo: str | None = None
    named: str | None = None
    """Its file's name without the number of a part; None for a disc."""
    alone: bool = False
    """In its folder, which then may say more than the file's name."""
    is_version: bool = False
    """Of the film that the folder is called after."""

    @property
    def state(self) -> str:
        return f"{self.alone:d}{self.is_version:d}"


@dataclass(frozen=True, slots=True)
class SeriesPart:
    """Some of a series' files, by its folder; where it has none, by the first of them."""

    path: str
    files: int
    nfo: str | None = None


@dataclass(slots=True)
class SortedOut:
    films: list[FilmFiles] = field(default_factory=list)
    series: list[SeriesPart] = field(default_factory=list)


def sorted_out(folder: Folder) -> SortedOut:
    listing = folder.listing
    if listing.is_disc:
        series = _series_of_disc(folder)
        if series is not None:
            return SortedOut(series=[_of_folder(series, 1)])
        return SortedOut(films=[FilmFiles(folder.path, _nfo_of_disc(folder))])
    if not listing.videos:
        return SortedOut()
    series = _series_around(folder)
    if series is not None:
        return SortedOut(series=[_of_folder(series, len(listing.videos))])
    return _by_their_names(folder)


def _series_of_disc(folder: Folder) -> str | None:
    """Of a season on a disc; by less than its folder's plain name a disc is a film."""
    if folder.media_type is MediaType.TV:
        return _series_around(folder)
    if folder.media_type is MediaType.MOVIE:
        return None
    return _declared(folder) or (_series_of_season(folder) if seasons.is_season(folder.name) else None)


def _of_folder(series: str, files: int) -> SeriesPart:
    nfo = os.path.join(series, "tvshow.nfo")
    return SeriesPart(series, files, nfo if os.path.exists(nfo) else None)


def _series_around(folder: Folder) -> str | None:
    """The folder of the series that all in this folder belongs to; None where only the files' names can tell."""
    if folder.media_type is MediaType.MOVIE:
        return None
    declared = _declared(folder)
    if declared is not None:
        return declared
    if folder.is_library:
        return None
    season_of = _season_of(folder)
    if season_of is not None or folder.media_type is None:
        return season_of
    around = folder.around
    if around is not None and (around.listing.videos or around.has_seasons):
        return _series_around(around) or around.path
    return folder.path


def _declared(folder: Folder) -> str | None:
    """By a `tvshow.nfo`, which in a library of many titles says nothing."""
    at: Folder | None = folder
    while at is not None:
        if at.listing.nfo_named("tvshow") and (
            not at.is_library or (at.parent is None and _is_one_series(at))
        ):
            return at.path
        at = None if at.is_library else at.parent
    return None


def _is_one_series(library: Folder) -> bool:
    return library.is_nothing_but_seasons or not library.listing.folders


def _season_of(folder: Folder) -> str | None:
    """By the folder's name: a season, a volume, specials, a pack, or one episode. It may be a series by itself."""
    name, around = folder.name, folder.around
    if seasons.is_season(name) or (seasons.may_be_season(name) and _all_numbered(folder)):
        return _series_of_season(folder)
    if seasons.is_specials(name) and around is not None and _has_episodes(around, folder):
        return around.path
    before = seasons.season_after(name)
    if before is None or _is_namesake(folder):
        return None
    if around is not None and seasons.is_season(around.name):
        return _season_of(around)
    is_of_around = around is not None and _same_series(plain(before) if before else "", around.title)
    return around.path if around is not None and is_of_around else folder.path if before else None


def _series_of_season(season: Folder) -> str | None:
    if season.around is not None:
        return season.around.path
    library = season.parent
    is_one = library is not None and library.is_nothing_but_seasons and seasons.is_season(season.name)
    return library.path if library is not None and is_one and not _is_namesake(season) else None


def _all_numbered(folder: Folder) -> bool:
    stems = [_stem(video) for video in folder.listing.videos]
    if folder.title in map(plain, stems):
        return False
    return all(seasons.begins_with_a_number(stem) or _is_code(seasons.numbered(stem)) for stem in stems)


def _is_code(numbered: Numbered | None) -> bool:
    return numbered is not None and numbered.sign is not Sign.ENDING


def _has_episodes(around: Folder, specials: Folder) -> bool:
    if around.media_type is MediaType.TV or around.has_seasons:
        return True
    stems = [_stem(video) for video in (*around.listing.videos, *specials.listing.videos)]
    return any(found and found.sign is Sign.CODE for found in map(seasons.numbered, stems))


def _is_namesake(folder: Folder) -> bool:
    """The folder of a film that is called as it is, year and all."""
    titled = surely(folder.name, MediaType.MOVIE)
    return (
        titled is not None
        and any(surely(_stem(video), MediaType.MOVIE) == titled for video in folder.listing.videos)
        and titled.year is not None
        and plain(titled.title) == plain(folder.name[: len(titled.title)])
    )


def _same_series(one: str, other: str) -> bool:
    return f"{one} ".startswith(f"{other} ") or f"{other} ".startswith(f"{one} ") or not one


def _by_their_names(folder: Folder) -> SortedOut:
    told = {video: seasons.numbered(_stem(video)) for video in folder.listing.videos}
    series: defaultdict[str, list[str]] = defaultdict(list)
    films = []
    for video, numbered in told.items():
        if numbered and _is_episode(video, numbered, folder, told.values()):
            series[numbered.series].append(video)
        elif folder.media_type is MediaType.TV:
            series[numbered.series if numbered else plain(_titled(video).title)].append(video)
        else:
            films.append(video)
    if _is_series(folder, series, films):
        return SortedOut(series=[_of_folder(folder.path, len(told))])
    if folder.around is not None and not films and list(series) == [folder.around.title]:
        return SortedOut(series=[_of_folder(folder.around.path, len(told))])
    return SortedOut(
        films=_films(folder, films),
        series=[SeriesPart(folder.listing.in_it(files[0]), len(files)) for files in series.values()],
    )


def _is_series(folder: Folder, series: dict[str, list[str]], films: list[str]) -> bool:
    """A season's files may lie beside the folders of the others; or all are of the series that the folder is named for."""
    if folder.media_type is MediaType.MOVIE:
        return False
    if not folder.is_library and folder.has_seasons:
        return True
    if films or len(series) != 1:
        return False
    [name] = series
    return not name or (not folder.is_library and _same_series(name, folder.title))


def _is_episode(video: str, numbered: Numbered, folder: Folder, told: Iterable[Numbered | None]) -> bool:
    if folder.media_type is MediaType.MOVIE:
        return False
    if numbered.sign is Sign.CODE:
        return True
    if folder.is_library or _titled(video).year is not None:
        return False
    if numbered.sign is Sign.BARE_CODE:
        return folder.title != plain(numbered.number)
    return numbered.series in ("", folder.title) and _counts_in(numbered, folder, told)


def _counts_in(numbered: Numbered, folder: Folder, told: Iterable[Numbered | None]) -> bool:
    """A sign that counts only because the folder is called as the series is."""
    if numbered.sign is Sign.WORD:
        return True
    if numbered.sign is Sign.NUMBER and numbered.series:
        is_padded = numbered.number.startswith("0") or len(numbered.number) >= _LONG_NUMBER
        return is_padded or has_span(folder.name) or _is_run(numbered, told)
    return _is_run(numbered, told)


def _is_run(numbered: Numbered, told: Iterable[Numbered | None]) -> bool:
    """All in the folder are numbered so, each otherwise."""
    others = list(told)
    same = {
        one.number for one in others if one and (one.sign, one.series) == (numbered.sign, numbered.series)
    }
    return len(same) > 1 and len(same) == len(others)


def _films(folder: Folder, videos: Sequence[str]) -> list[FilmFiles]:
    names = _without_parts(videos)
    alone = (
        not folder.is_library and len(set(names.values())) == 1 and len(videos) == len(folder.listing.videos)
    )
    versions = not folder.is_library and len(videos) > 1 and _are_versions(folder, names.values())
    one = alone or versions or (bool(folder.listing.nfos) and _are_one(names.values()))
    films = [FilmFiles(folder.listing.in_it(video), None, names[video], alone, versions) for video in videos]
    return [replace(film, nfo=_nfo_of(film, folder, one=one)) for film in films]


def _without_parts(videos: Sequence[str]) -> dict[str, str]:
    """The names of the files, and what is left of them where several differ only in the number of a part."""
    names = {video: _stem(video) for video in videos}
    if len(videos) == 1 and not _MAY_BE_DISC.search(videos[0]):
        return names
    for pattern in (_PART, _LETTER):
        alike: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for video, name in names.items():
            if (found := pattern.fullmatch(name)) and found["before"]:
                alike[(found["before"] + found["after"]).strip()][video] = found["number"].lower()
        for whole, parts in alike.items():
            if len(set(parts.values())) > 1 or any(map(_is_disc_number, (names[video] for video in parts))):
                names |= dict.fromkeys(parts, whole)
    return names


def _is_disc_number(name: str) -> bool:
    """Of what is no title by itself."""
    found = _PART.fullmatch(name)
    return found is not None and not found["after"] and found["word"].lower() in ("cd", "disc", "disk")


def _are_versions(folder: Folder, names: Iterable[str]) -> bool:
    """Each is called as the folder is, with nothing but a sign and a word behind it, and no other year."""
    own = folder.name.lower()
    titled = surely(folder.name, MediaType.MOVIE)
    years = {str(titled.year)} if titled and titled.year else set()
    for name in names:
        begins = next(
            (b for b in (own, titled.title.lower() if titled else own) if name.lower().startswith(b)), None
        )
        if begins is None or not _VERSION.match(name, len(begins)):
            return False
        says_the_year = years and begins == own
        if not says_the_year and not set(_YEAR.findall(name[len(begins) :])) <= years:
            return False
    return True


def _are_one(names: Iterable[str]) -> bool:
    return len({(plain(titled.title), titled.year) for titled in map(_titled_stem, names)}) == 1


def _nfo_of(film: FilmFiles, folder: Folder, *, one: bool) -> str | None:
    listing = folder.listing
    own = listing.nfo_named(os.path.splitext(os.path.basename(film.path))[0], *(["movie"] if one else []))
    if own is None and one and len(listing.nfos) == 1 and not folder.is_library:
        return listing.in_it(listing.nfos[0])
    return own


def _nfo_of_disc(folder: Folder) -> str | None:
    own = folder.listing.nfo_named("movie", folder.listing.name, *_DISC_NFOS)
    if own is not None:
        return own
    for name in folder.listing.folders:
        if name.lower() in DISCS:
            for file in sorted(os.listdir(folder.listing.in_it(name))):
                if file.lower().endswith(".nfo") and file[:-4].lower() in _DISC_NFOS:
                    return os.path.join(folder.listing.in_it(name), file)
    return None


def _stem(video: str) -> str:
    return legible(os.path.splitext(video)[0])


def _titled(video: str) -> Titled:
    return _titled_stem(_stem(video))


def _titled_stem(stem: str) -> Titled:
    return surely(stem, MediaType.MOVIE) or roughly(stem)
