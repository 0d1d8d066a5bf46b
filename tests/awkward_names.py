"""Names of series and films that are awkward to read: what guessit gives of them alone, and what a scan gives.

`make names` prints those that either gets wrong. The titles and years in the table were written down before any run.
"""

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from guessit import guessit

from services.enricher.guessing.guesser import guessed
from services.enricher.library import MediaType
from services.enricher.library.same_title import plain
from services.enricher.library.scan.reading import read
from services.enricher.library.scan.tree import walk

TABLE = Path(__file__).parent / "data" / "awkward_titles.tsv"
Form = Callable[[str, int], str]


def _dotted(title: str) -> str:
    return ".".join(title.split())


SERIES: dict[str, Form] = {
    "folder": lambda title, _: f"{title}/Season 01/S01E01.mkv",
    "folder with a year": lambda title, year: f"{title} ({year})/Season 1/01 - Pilot.mkv",
    "season alone": lambda title, _: f"{title} Season 1 1080p/01.mkv",
    "number": lambda title, _: f"[Group] {title} - 03 [720p].mkv",
    "day": lambda title, _: f"{_dotted(title)}.2014.03.12.720p.WEB.h264-GRP.mkv",
}
FILMS: dict[str, Form] = {
    "folder": lambda title, _: f"{title}/{title}.mkv",
    "release": lambda title, year: f"{_dotted(title)}.{year}.1080p.BluRay.x264-GRP.mkv",
}
WITH_YEAR = {("series", "folder with a year"), ("film", "release")}


@dataclass(frozen=True, slots=True)
class Name:
    kind: str
    form: str
    path: str
    title: str
    year: int | None

    @property
    def expected(self) -> tuple[MediaType, str, int | None]:
        return MediaType.TV if self.kind == "series" else MediaType.MOVIE, plain(self.title), self.year


Given = tuple[MediaType, str, int | None] | None


def names() -> list[Name]:
    rows = [line.split("\t") for line in TABLE.read_text().splitlines()]
    return [
        Name(kind, form, make(title, int(year)), title, int(year) if (kind, form) in WITH_YEAR else None)
        for kind, title, year in rows
        for form, make in (SERIES if kind == "series" else FILMS).items()
    ]


def by_scan(all_names: Iterable[Name], directory: Path) -> dict[Name, Given]:
    """Each form in a library of its own, which says nothing of what is in it."""
    given: dict[Name, Given] = {}
    wanted = list(all_names)
    for kind, form in dict.fromkeys((name.kind, name.form) for name in wanted):
        root = directory / f"{kind} {form}"
        mine = {
            name.path.partition("/")[0]: name for name in wanted if (name.kind, name.form) == (kind, form)
        }
        for name in mine.values():
            (root / name.path).parent.mkdir(parents=True, exist_ok=True)
            (root / name.path).touch()
        for visit in walk(str(root), allowed=[root]):
            for sighting in visit.sightings:
                reading = read(sighting, root=str(root))
                if reading.titled is None:
                    reading = reading.guessed(guessed(reading.to_guess, reading.kind))
                entry = reading.entry()
                name = mine[os.path.relpath(sighting.path, root).partition("/")[0]]  # noqa: PTH - as the scan has it
                given[name] = (entry.media_type, plain(entry.title), entry.year)
    return given


def by_guessit(name: Name) -> Given:
    """Of the folder of a series, and of the file of a film or a single episode."""
    first, _, rest = name.path.partition("/")
    found = guessit(rest or first if name.kind == "film" else first, {"no_user_config": True} | _known(name))
    title, year = found.get("title"), found.get("year")
    year = year[0] if isinstance(year, list) else year
    kind = MediaType.MOVIE if found["type"] == "movie" else MediaType.TV
    return (kind, plain(str(title)), year) if title else None


def _known(name: Name) -> dict[str, str]:
    return {"type": "movie" if name.kind == "film" else "episode"}


def main() -> None:
    all_names = names()
    with tempfile.TemporaryDirectory() as directory:
        scanned = by_scan(all_names, Path(directory))
    wrong_alone = wrong = 0
    for name in all_names:
        alone, scan = by_guessit(name), scanned.get(name)
        wrong_alone += alone != name.expected
        wrong += scan != name.expected
        if name.expected not in (alone, scan) or alone != scan:
            print("\t".join((name.path, _told(name.expected), _told(alone), _told(scan))))
    print(f"{len(all_names)} names: guessit alone gets {wrong_alone} wrong, a scan {wrong}.")


def _told(given: Given) -> str:
    return "–" if given is None else f"{given[0]} {given[1]} {given[2] or ''}".rstrip()


if __name__ == "__main__":
    main()
