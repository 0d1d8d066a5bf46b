"""What a name says of seasons and episodes, by the conventions of media servers and of those who share recordings."""

import re
import unicodedata
from dataclasses import dataclass
from enum import IntEnum

from services.enricher.library.same_title import plain
from services.enricher.library.scan.releases import SURE, only_release_words

_SEASON_WORDS = (
    "season seasons series saison saisons staffel temporada temporadas tempada temporadă stagione stagioni seizoen"
    " sæson säsong sesong kausi tuotantokausi sezon sezonas sezóna sezona séria seria serie série sezonul évad hooaeg"
    " denboraldia rada řada cyfres séasúr þáttaröð sería musim mùa phần σεζόν κύκλος сезон сезона сезони سيزن الموسم موسم فصل"
    " עונה ซีซั่น ซีซัน ฤดูกาล सीज़न シーズン 시즌"
)
_EPISODE_WORDS = (
    "episode episodes épisode episodio episódio folge aflevering avsnitt afsnit jakso odcinek epizoda epizod bölüm"
    " capitulo capítulo cap puntata серия эпизод rész epizód ep"
)
_SPECIALS = frozenset(
    {"special", "specials", "especial", "especiales", "speciali", "spezial", "speciaux", "specialy"}
)
_WORDS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen i ii iii iv v vi vii viii"
    " ix x"
)
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth final"
    " erste zweite dritte vierte fünfte sechste siebte achte neunte zehnte letzte"
    " première deuxième troisième quatrième cinquième sixième septième huitième neuvième dixième dernière"
    " primera segunda tercera cuarta quinta sexta séptima octava novena décima última"
    " primeira terceira quarta sétima oitava nona prima seconda terza sesta settima ottava ultima"
    " eerste tweede derde vierde vijfde första andra tredje fjärde femte første anden andre fjerde"
    " pierwszy drugi trzeci czwarty piąty první druhá třetí čtvrtá pátá"
    " первый второй третий четвёртый четвертый пятый шестой седьмой восьмой девятый десятый"
)
_MAYBE_SEASON_WORDS = "volume vol book part arc cour chapter disc disk dvd cd saga tome livre libro teil buch"
_LOOSE = r"[ ._\-]*"


def _folded(text: str) -> str:
    """Without case and accents; letters of one sign stay one sign."""
    if text.isascii():
        return text.lower()
    letters = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(char for char in letters if not unicodedata.combining(char)))


def _any_of(words: str) -> str:
    return "|".join(re.escape(word) for word in sorted(set(_folded(words).split()), key=len, reverse=True))


_SEASON_WORD, _EPISODE_WORD = f"(?:{_any_of(_SEASON_WORDS)})", f"(?:{_any_of(_EPISODE_WORDS)})"
_NUMBER = rf"(?:\d{{1,4}}|(?:{_any_of(_WORDS)})(?![^\W_]))"
_TH = r"(?:st|nd|rd|th|ª|º|a|o|er|ere|eme|e|te|и|ыи|ои|я|ая)?"
_ORDINAL = rf"(?:\d{{1,2}}{_LOOSE}{_TH}{_LOOSE}|(?:{_any_of(_ORDINALS)})[ ._\-]+)"
_AFTER = r"(?![^\W_])"
_NUMBER_IN_WORDS = rf"[ ._\-]+(?:{_any_of(_ORDINALS)})"
_SEASON = re.compile(
    rf"(?:{_SEASON_WORD}(?:{_LOOSE}{_NUMBER}|{_NUMBER_IN_WORDS}){_AFTER}|s[ ._\-]?\d{{1,4}}{_AFTER}|{_ORDINAL}{_SEASON_WORD}{_AFTER}"
    r"|第 ?[\d一二三四五六七八九十]{1,3} ?(?:季|期|部|シーズン|シース.?ン)|\d{1,2} ?기|(?:시즌|シーズン|シースン) ?\d{1,2})"
)
_MAYBE_SEASON = re.compile(
    rf"(?:(?:{_any_of(_MAYBE_SEASON_WORDS)}){_LOOSE}{_NUMBER}{_AFTER}(?:\s*[-–:,(\[].*)?|\d{{1,2}}$)"
)
_GOES_ON = re.compile(r"\s*(?:$|[-–:~,;&+(\[{._])")
"""What may follow the number of a season: its own title stands behind a sign, that of a film behind a blank."""

_PACK = re.compile(
    rf"(?<=[^\W_])[ ._\-]*(?<![^\W_])[\[(]?(?:s\d{{1,2}}(?:{_LOOSE}-{_LOOSE}s?\d{{1,2}})?|{_SEASON_WORD}[ ._]*\d{{1,2}}"
    rf"|seasons? ?\d{{1,2}} ?(?:-|to|&) ?\d{{1,2}}){_AFTER}(?!{_LOOSE}x?ep?{_LOOSE}\d)"
)
_CODE = re.compile(
    rf"(?<![^\W_])(?:s\d{{1,4}}{_LOOSE}x?(?:e|ep){_LOOSE}\d{{1,5}}|\d{{1,2}}x\d{{2,3}}|(?:19|20)\d\dx\d\d"
    rf"|\d{{1,2}}x\d(?=$|[ _]-|\]|[ ._]*$)|{_SEASON_WORD}{_LOOSE}\d{{1,4}}[ ._,\-]*{_EPISODE_WORD}{_LOOSE}\d{{1,4}})(?!\d)"
)
_BARE_CODE = re.compile(r"\d{1,2}x\d{1,3}")
_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d([ ._\-])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])([._\-])(?:0[1-9]|1[0-2])\2(?:19|20)\d\d)(?!\d)"
)
_GROUPED = re.compile(
    r"\s*[\[【(][^\]】)]+[\]】)].*?[ _]-[ _](?P<number>\d{2,4})(?:v\d)?(?=[ _]*(?:$|[\[(]|end\b))"
)
_SHORT = re.compile(r"(?<![^\W_])ep?[ ._]?\d{2,4}(?:v\d)?(?![^\W_])")
_WORD = re.compile(rf"(?<![^\W_]){_EPISODE_WORD}[ ._]*(?:no[ ._]*|#)?\d{{1,4}}(?![^\W_])")
_NUMBERED = re.compile(
    r"(?:^|[ _]-[ _])(?P<number>\d{2,4})(?:v\d)?(?=[ ._]*(?:$|[\[(](?!(?:18|19|20)\d\d[\])])|-))"
)
_ENDING = re.compile(r"(?:^|[ ._])(?P<number>\d{2,4})(?=[ ._]*(?:$|[\[(](?!(?:18|19|20)\d\d[\])])))")
_NO_EPISODE = re.compile(
    r"[^\d]*(?: \d+)? \((?:18|19|20)\d\d\)(?: ?[\[{](?:imdb|tmdb|tvdb)[^\]}]*[\]}])*", re.IGNORECASE
)
"""The commonest names, which need no closer look."""

_SEASON_BEFORE = re.compile(r"[ ._\-]+s\d{1,2}[ ._\-]*$")
_YEAR = re.compile(r"(?:18|19|20)\d\d")
"""Before words of quality a number is one."""

_NO_NUMBERS = frozenset({"480", "540", "576", "720", "1080", "2160", "4320"})


class Sign(IntEnum):
    """How sure it is that a file is an episode, the surest first."""

    CODE = 0
    """A season's number and an episode's; a day; a number as those write it who share anime."""
    BARE_CODE = 1
    """`10x10` and nothing before it, which may be a film's title."""
    WORD = 2
    """`Episode 5`."""
    NUMBER = 3
    """`Title - 07`, or nothing but a number."""
    ENDING = 4
    """`Title 07`."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """What stands before the episode's number in a file's name, which may be nothing."""

    sign: Sign
    title: str
    number: str

    @property
    def series(self) -> str:
        """As it is compared."""
        return plain(self.title) if self.title else ""


def numbered(stem: str) -> Numbered | None:
    """None for a name that says nothing of an episode."""
    return None if _NO_EPISODE.fullmatch(stem) else _looked_at_closely(stem)


def _looked_at_closely(stem: str) -> Numbered | None:
    folded = _same_length(stem)
    first = min(filter(None, (_CODE.search(folded), _DATE.search(folded))), key=re.Match.start, default=None)
    if first is not None and (first.start() or first.re is _CODE):
        bare = first.re is _CODE and not first.start() and _BARE_CODE.fullmatch(first[0])
        return Numbered(Sign.BARE_CODE if bare else Sign.CODE, _before(stem, first.start()), first[0])
    if found := _GROUPED.match(folded):
        return Numbered(Sign.CODE, _before(stem, found.start("number")), found["number"])
    if (found := _SHORT.search(folded)) and found.start():
        return Numbered(Sign.CODE, _before(stem, found.start()), found[0])
    if found := _WORD.search(folded):
        return Numbered(Sign.WORD, _before(stem, found.start()), found[0])
    quality = SURE.search(stem)
    title_ends = len(stem) if quality is None else quality.start()
    for sign, pattern in ((Sign.NUMBER, _NUMBERED), (Sign.ENDING, _ENDING)):
        *_, found = (None, *pattern.finditer(folded, 0, title_ends))
        if (
            found
            and found["number"] not in _NO_NUMBERS
            and not (quality and _YEAR.fullmatch(found["number"]))
        ):
            return Numbered(sign, _before(stem, found.start()), found["number"])
    return None


def begins_with_a_number(stem: str) -> bool:
    """As episodes do whose folder says the rest."""
    return stem[:1].isdigit()


def is_season(folder: str) -> bool:
    """A folder that holds one season of the series that the folder around it is called after."""
    name = _folded(folder)
    found = _SEASON.match(name)
    return found is not None and bool(
        _GOES_ON.match(name, found.end()) or only_release_words(name[found.end() :])
    )


def may_be_season(folder: str) -> bool:
    """Where the files in it are numbered."""
    return _MAYBE_SEASON.fullmatch(_folded(folder)) is not None


def is_specials(folder: str) -> bool:
    return _folded(folder) in _SPECIALS


def season_after(folder: str) -> str | None:
    """What stands before the season's, or the episode's, number in a folder's name; None where there is neither."""
    folded = _same_length(folder)
    found = _CODE.search(folded) or _PACK.search(folded)
    return None if found is None else _before(folder, found.start())


def end_of_series(name: str) -> int | None:
    """Where the season's or episode's number begins in a name."""
    folded = _same_length(name)
    found = [match.start() for pattern in (_CODE, _DATE, _PACK) if (match := pattern.search(folded))]
    return min(found, default=None)


def _before(name: str, end: int) -> str:
    title = name[:end]
    if (season := _SEASON_BEFORE.search(title.lower())) is not None:
        title = title[: season.start()]
    return title.rstrip(" ._-[(–")


def _same_length(name: str) -> str:
    """Folded sign by sign, so that places in it are places in the name."""
    folded = _folded(name)
    if len(folded) == len(name):
        return folded
    return "".join(one if len(one := _folded(char)) == 1 else char for char in name)
