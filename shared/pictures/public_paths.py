"""Public paths: every form in which a picture can be asked for, as one table. A further form is one more line of it.

The proxy's routes, both descriptions, purging, the URLs that are handed out and nginx's configuration are made from the
table. The words in paths stand once, too: kinds and roles in `name`, sizes in `rendition`, formats in `formats`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from shared.pictures.name import Kind, Name, Role, file_id
from shared.pictures.rendition import SIZES, STANDARD_SIZES
from shared.pictures.source import PictureId, RevisionId

NUMBERED_KINDS = (Kind.SERIES, Kind.MOVIE, Kind.EPISODE, Kind.SEASON, Kind.PERSON)
"""Of these a bare number in the place of a name's id is the library's own. Others' numbers are ids as any."""

TMDB_SIZES = tuple(size for size in SIZES if size not in STANDARD_SIZES)
TMDB_FILE = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.(?:jpg|jpeg|png|webp|avif|gif|svg)"
"""What TMDB's picture host calls a file: read by Python, by PCRE and by JavaScript."""

_PLACEHOLDER = re.compile(r"\{([a-z]+)\}", re.ASCII)
_FOLDER = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_LAST = re.compile(r"[A-Za-z0-9_-]*\{[a-z]+\}", re.ASCII)
_FORMAT = ".{format}"


@dataclass(frozen=True, slots=True)
class Form:
    """A form of path. `{…}` in the pattern stands for what differs between requests; all else needs no escape anywhere."""

    pattern: str
    summary: str

    @property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(_PLACEHOLDER.findall(self.pattern))

    def path(self, **values: str) -> str:
        """With these values, or whatever a router wants, in the place of the placeholders."""
        return self.pattern.format(**values)


@dataclass(frozen=True, slots=True)
class SourceForm(Form):
    """`?url=`, and perhaps `size` and `format`."""


@dataclass(frozen=True, slots=True)
class TmdbForm(Form):
    """`{size}/{file}`, as at TMDB's picture host."""


@dataclass(frozen=True, slots=True)
class StoredForm(Form):
    """The immutable path of a file: `{picture}`, `{revision}` and `{file}`."""


@dataclass(frozen=True, slots=True)
class NameForm(Form):
    """`{kind}`, `{id}`, `{role}` and `{file}`: a size, and perhaps a format."""


@dataclass(frozen=True, slots=True)
class FileForm(Form):
    """A file of somebody's library, of one kind and role; its size is in the query.

    It lies in a directory, by which nginx knows it. The last placeholder before `.{format}` is the name's id. Each one
    before it is a whole segment, is held to the same characters, and says nothing. Raise ValueError for any other pattern.
    """

    kind: Kind
    role: Role
    is_open: bool = False
    """Served to whoever knows it, also where the paths of others must be signed."""
    is_titled: bool = False
    """The last placeholder is a title as the library spells it in file names, of which `file_id` makes the name's id."""

    def __post_init__(self) -> None:
        root, *folders, last = self.pattern.removesuffix(_FORMAT).split("/")
        sound = (
            self.pattern.endswith(_FORMAT)
            and not root
            and folders
            and _FOLDER.fullmatch(folders[0])
            and all(_FOLDER.fullmatch(one) or _PLACEHOLDER.fullmatch(one) for one in folders)
            and _LAST.fullmatch(last)
        )
        if not sound:
            raise ValueError(f"This is no form of a file: {self.pattern}")

    @property
    def id_placeholder(self) -> str:
        return self.placeholders[-2]

    def name(self, id_: str) -> Name:
        """What the file shows that is called so. Raise ValueError for what can be no id, or no file's name."""
        return Name(self.kind, file_id(id_) if self.is_titled else id_, self.role)


@dataclass(frozen=True, slots=True)
class BareNameForm(Form):
    """`{kind}`, `{id}` and `{role}`: of the kinds that are numbered a number is TVDB's. The original; a thumbnail small."""


KEYED_ROLES = MappingProxyType({"poster": Role.POSTER, "backdrop": Role.FANART, "logo": Role.LOGO})
"""What programs that ask with a key in the path call pictures."""

KEYED_IDS = ("imdb", "tmdb", "tvdb")
KEYED_FORMATS = ("jpg", "png")
KEY_CHECK = "/{key}/isValid"
"""Where such programs ask whether their key is good."""


@dataclass(frozen=True, slots=True)
class KeyedForm(Form):
    """`{key}`, `{whose}` of KEYED_IDS, `{shown}` of KEYED_ROLES, `{id}` and `{format}` of KEYED_FORMATS."""

    def bounded(self, *, named: bool) -> str:
        """As a router's pattern, with its placeholders' names, or as a regular expression without."""

        def one_of(name: str, choices: Iterable[str]) -> str:
            return f"{{{name}:{'|'.join(choices)}}}" if named else f"(?:{'|'.join(choices)})"

        return self.path(
            key="{key}" if named else "[^/]+",
            whose=one_of("whose", KEYED_IDS),
            shown=one_of("shown", KEYED_ROLES),
            id="{id}" if named else "[^/]+",
            format=one_of("format", KEYED_FORMATS),
        )


_NUMBERED_ID = re.compile(r"(?:(movie|series|tv)-)?([1-9][0-9]{0,9})", re.ASCII)
_IMDB_ID = re.compile(r"tt[0-9]{5,12}", re.ASCII)


def named_by_key(whose: str, shown: str, id_: str) -> tuple[Name, ...]:
    """What a keyed path names: `tt0133093` of IMDb, of which nobody can tell whether it is a movie or a series; at TMDB and
    TVDB `movie-603` or `series-1399`, or a number alone, a movie of TMDB's or a series of TVDB's. Nothing: no such id.
    """
    role = KEYED_ROLES[shown]
    if whose == "imdb":
        kinds = (Kind.MOVIE, Kind.SERIES) if _IMDB_ID.fullmatch(id_) else ()
        return tuple(Name(kind, f"imdb:{id_}", role) for kind in kinds)
    found = _NUMBERED_ID.fullmatch(id_)
    if not found:
        return ()
    said = found[1] or ("movie" if whose == "tmdb" else "series")
    return (Name(Kind.MOVIE if said == "movie" else Kind.SERIES, f"{whose}:{found[2]}", role),)


VIDEO_FOLDERS = ("/videos", "/videos-produced")
"""Where videos are asked for: ours, in which URLs are handed out, and as SceneXtras' storage called it."""

VIDEO_NAME = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
"""A UUID as it is usually written: read by Python and by PCRE."""

_VIDEO_NAME = re.compile(VIDEO_NAME, re.ASCII)


def video_name(text: str) -> str:
    """It, checked: a video's name becomes a path. Raise ValueError for anything but a UUID in lower case."""
    if not _VIDEO_NAME.fullmatch(text):
        raise ValueError("A video is called by a UUID in lower case.")
    return text


def video_path(name: str) -> str:
    return f"{VIDEO_FOLDERS[0]}/{name}.mp4"


SomeForm = TypeVar("SomeForm", bound=Form)


@dataclass(frozen=True, slots=True)
class PublicPaths:
    """The table. Raise ValueError unless there is one form each of source, stored file and name: URLs are made in these."""

    forms: tuple[Form, ...]

    def __post_init__(self) -> None:
        for sort in (SourceForm, StoredForm, NameForm):
            if len(self.all(sort)) != 1:
                raise ValueError(f"There must be one {sort.__name__}.")

    def all(self, sort: type[SomeForm]) -> tuple[SomeForm, ...]:
        return tuple(form for form in self.forms if isinstance(form, sort))

    @property
    def source(self) -> SourceForm:
        return self.all(SourceForm)[0]

    @property
    def stored(self) -> StoredForm:
        return self.all(StoredForm)[0]

    @property
    def name(self) -> NameForm:
        return self.all(NameForm)[0]

    @property
    def upload(self) -> FileForm:
        """The form of uploads. Raise LookupError without one."""
        for form in self.all(FileForm):
            if form.kind is Kind.UPLOAD:
                return form
        raise LookupError("There is no form of uploads.")

    def of_stored(self, picture: PictureId, revision: RevisionId, file_name: str) -> str:
        return self.stored.path(picture=picture, revision=revision, file=file_name)

    def of_name(self, name: Name, file: str) -> str:
        """`file`: a size, and perhaps a format, `w342.webp`."""
        return self.name.path(kind=name.kind, id=name.id, role=name.role, file=file)


PUBLIC_PATHS = PublicPaths(
    (
        SourceForm("/api/images/proxy", "A picture by the URL of its source"),
        TmdbForm("/t/p/{size}/{file}", "A picture by its path at TMDB's picture host"),
        TmdbForm("/imageproxy/tmdb/t/p/{size}/{file}", "The same, as Seerr has it"),
        StoredForm("/p/{picture}/{revision}/{file}", "A stored file by its immutable path"),
        NameForm(
            "/api/v1/images/{kind}/{id}/{role}/{file}",
            "A picture by what it shows; a bare number of a series, movie, episode, season or person is this library's",
        ),
        BareNameForm(
            "/api/v1/images/{kind}/{id}/{role}",
            "The same in the original size; a bare number of a series, movie, episode, season or person is TVDB's",
        ),
        KeyedForm(
            "/{key}/{whose}/{shown}-default/{id}.{format}",
            "A picture as programs ask for it that have a key (one of POSTER_KEYS)",
        ),
        FileForm(
            "/data/images/profiles/profile_avatar_{id}.{format}",
            "The profile picture of a streamer",
            Kind.STREAMER,
            Role.PROFILE,
        ),
        FileForm(
            "/data/images/profiles/streamer_{id}.{format}",
            "The same, as it was called before",
            Kind.STREAMER,
            Role.PROFILE,
        ),
        FileForm(
            "/data/images/banners/banner_{id}.{format}",
            "The picture of a streamer who is offline",
            Kind.STREAMER,
            Role.BANNER,
        ),
        FileForm(
            "/data/images/categories/{slug}.{format}",
            "The cover of a category",
            Kind.CATEGORY,
            Role.COVER,
            is_titled=True,
        ),
        FileForm(
            "/data/images/artwork/{streamer}/stream_{id}.{format}",
            "The artwork of a stream",
            Kind.STREAM,
            Role.ARTWORK,
        ),
        FileForm(
            "/api/image-no-auth/{id}.{format}",
            "An upload, by the name that its sender was told",
            Kind.UPLOAD,
            Role.IMAGE,
            is_open=True,
        ),
    )
)
