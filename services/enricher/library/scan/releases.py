"""The words that those who share recordings write behind a title: of the picture, its source, sound, language and cut."""

import re

_SURE = (
    r"(?:2160|1440|1080|720|576|540|480|360)[pi]\d{0,2}|\d{3,4}x\d{3,4}|[48]kuhd|uhd|ultrahd|uhdtv|blu-?ray|bd-?rip|br-?rip|bdremux|remux|bdmv"
    r"|bd(?:25|50|66|100)|(?:complete[._ ]?)?bluray|web-?dl|web-?rip|webhd|web-?cap|hdtv|hdtvrip|pdtv|dsr|dsrip|sdtv|tvrip|satrip|dvb|hdrip|uhdrip|dvd-?rip"
    r"|dvdscr|screener|dvd-?r|dvd[59]|hddvd|hdcam|hdts|telesync|telecine|workprint|vhsrip|ppvrip|vodrip|cam-?rip"
    r"|[xh][ .]?26[456]|hevc|avc|xvid|divx|vc-?1|mpeg-?2|av1|10-?bit|8-?bit|hi10p?|hdr(?:10)?\+?|hdr10plus|dolby[ .]vision|dovi|sdr"
    r"|dts(?:-?(?:hd|es|x|ma))*|truehd|atmos|ddp?a?\+?[ .]?[257]\.[01]|dd\+?[ .]?\d\.\d|e?ac-?3d?|aac(?:\d\.\d)?|flac|mp3|opus|lpcm"
    r"|hsbs|h-?sbs|half-?sbs|hou|h-?ou|half-?ou|yify|rarbg"
)
_CUTS = r"extended|uncut|unrated|remastered|recut|imax|theatrical|directors?|director'?s|cut|edition|redux|criterion|anniversary|rerip|final"
_LANGUAGES = (
    "english|french|truefrench|vff|vfq|vf2|vostfr|subfrench|german|italian|ita|spanish|castellano|latino|dutch|flemish|nordic"
    "|danish|swedish|norwegian|finnish|polish|pldub|russian|rus|ukrainian|ukr|czech|slovak|hungarian|romanian|bulgarian|greek"
    "|turkish|arabic|hebrew|hindi|tamil|telugu|malayalam|kannada|bengali|punjabi|korean|japanese|chinese|mandarin|cantonese"
    "|thai|vietnamese|portuguese|brazilian|eng|ger|fre|spa|jpn|kor|chi|nlsubs|multisubs?"
)
_MAYBE = (
    rf"{_CUTS}|{_LANGUAGES}|multi\d?|dual|dl|ml|dubbed|subbed|subs?|softsubs?|hardsubs?|hc|dub|proper|repack|real|internal|limited|festival"
    r"|stv|complete|season|pack|batch|retail|readnfo|nfofix|ws|fs|pal|ntsc|oar|3d|4k|8k|hd|sd|hq|ld|md|dc|web|dvd|bd|cam|ts|tc|r5|hdc"
    r"|dv|amzn|nf|dsnp|hmax|max|atvp|hulu|itunes|it|pcok|stan|cr|ma|dd|2ch|6ch|audio|dual-audio|dts|hybrid|colorized|restored|open|matte|vr|end|v\d"
)
_SEPARATED = r"(?<=[ ._\-\[({{,])(?:{words})(?=[ ._\-\])}},+]|$)"
SURE = re.compile(_SEPARATED.format(words=_SURE), re.IGNORECASE)
"""Words that no title has."""

_RELEASE_WORD = re.compile(rf"(?:{_SURE}|{_MAYBE})", re.IGNORECASE)
_ONLY_SHOUTED = frozenset(
    {
        "web",
        "it",
        "real",
        "cam",
        "ts",
        "tc",
        "dc",
        "md",
        "ma",
        "max",
        "stan",
        "now",
        "end",
        "open",
        "pack",
        "season",
        "audio",
        "matte",
        "hybrid",
        "retail",
        "final",
    }
)
"""Words that are as common in titles."""

_SAID_ALONE = frozenset(
    {
        "multi",
        "dual",
        "dubbed",
        "subbed",
        "extended",
        "unrated",
        "uncut",
        "remastered",
        "repack",
        "3d",
        "4k",
        "hd",
        "hdc",
    }
)
_CUT = re.compile(rf"(?:{_CUTS})", re.IGNORECASE)
_SHOUTED = re.compile(r"[A-Z]{3,}|MULTi\d?|[a-z][A-Z]{2,}[A-Za-z]*")
_LEADS_ON = re.compile(
    r"(?:the|a|an|of|in|and|to|my|our|his|her|no|on|from|le|la|les|der|die|das|il|el|von|since|before|after|class)",
    re.IGNORECASE,
)
_LEADS_ON_ALONE = re.compile(r"(?:year|summer|final|special)", re.IGNORECASE)
_WORD = re.compile(r"[^\s._\-\[\](){},]+(?:'[^\s._\-\[\](){},]+)?")


def only_release_words(text: str) -> bool:
    """Whether nothing else follows; what follows the first sure one may be anything."""
    found = SURE.search(f" {text}")
    words = _WORD.findall(text[: max(found.start() - 1, 0)] if found else text)
    return all(map(_RELEASE_WORD.fullmatch, words))


def begins_with_release_word(text: str) -> bool:
    """Or with nothing at all."""
    stripped = text.lstrip(" ._-[({")
    found = _WORD.match(stripped)
    sure = SURE.match(f" {stripped}", 1)
    return not stripped or sure is not None or (found is not None and bool(_RELEASE_WORD.fullmatch(found[0])))


def leads_on(word: str, *, after: int = 0) -> bool:
    """After which no title ends: `the`, `of`; and `summer`, behind one word at most."""
    is_initial = len(word) == 1 and word.isupper()
    known = bool(_LEADS_ON.fullmatch(word)) or (after <= 1 and bool(_LEADS_ON_ALONE.fullmatch(word)))
    return not is_initial and known


def without_release_words(title: str, *, cuts_only: bool = False) -> str:
    """What is left of a title when the words at its end are taken away that may be part of it, but hardly are.

    `cuts_only`: those of a cut, as they stand before a year. A title does not end with an article, and is never empty.
    """
    words = list(_WORD.finditer(title))
    while len(words) > 1 and _goes(words[-1][0], words[-2][0], cuts_only=cuts_only):
        words.pop()
    return title[: words[-1].end()] if words else title


def _goes(word: str, before: str, *, cuts_only: bool) -> bool:
    if leads_on(before):
        return False
    if word.lower() in _ONLY_SHOUTED and not word.isupper():
        return False
    return (_CUT if cuts_only else _RELEASE_WORD).fullmatch(word) is not None


def ends_with_release_word(title: str) -> bool:
    """One that may as well be the title's own."""
    words = _WORD.findall(title)
    return (
        len(words) > 1
        and _RELEASE_WORD.fullmatch(words[-1]) is not None
        and (_SHOUTED.fullmatch(words[-1]) is not None or words[-1].lower() in _SAID_ALONE)
    )
