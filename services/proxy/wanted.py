"""What a request wants: parsed once, at the edge; refused with a sentence the user can act on.

However it is said, it is a picture or a name, and the renditions of it that would do; or one very file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Self

from yarl import URL

from shared import pictures
from shared.http import Problem
from shared.pictures.hosts import PictureHost, picture_host
from shared.pictures.name import check_id
from shared.pictures.paths import is_original
from shared.pictures.public_paths import NUMBERED_KINDS, TMDB_FILE, FileForm, named_by_key
from shared.pictures.rendition import ORIGINAL, ORIGINAL_EXTENSIONS, parse_format
from shared.pictures.source import is_private as is_private_picture
from shared.pictures.source import parse_picture_id, parse_revision_id

PARSED_AT_MOST = 4096
"""Requests whose parsing is remembered: a page's pictures are asked for again and again."""

_PARAMETERS = frozenset({"url", "size", "format", "sig", "exp"})
_WIDTH_TOKEN = re.compile(r"w\d+|h\d+|original", re.ASCII)
_TMDB_FILE = re.compile(TMDB_FILE, re.ASCII)


@dataclass(frozen=True, slots=True)
class WantedPicture:
    """A picture, and the renditions that would do, the preferred first. The last is made where none is there."""

    picture: pictures.PictureId
    renditions: tuple[pictures.Rendition, ...]
    source: pictures.Source
    negotiated: bool = False
    """Another `Accept` would have been answered differently."""
    authorised_host: str | None = None
    """Allowed by the request's signature, besides the allowed hosts."""
    may_be_fetched: bool = True
    """Whether its host is allowed. What is stored is served all the same, as nginx does, until it is purged."""

    @classmethod
    def of(
        cls,
        source: pictures.Source,
        renditions: tuple[pictures.Rendition, ...],
        rules: pictures.HostRules,
        *,
        signed: bool,
        negotiated: bool = False,
    ) -> Self:
        if isinstance(source, pictures.Upload):
            return cls(source.picture, renditions, source, negotiated=negotiated)
        return cls(
            source.picture,
            renditions,
            source,
            negotiated=negotiated,
            authorised_host=source.authority if signed else None,
            may_be_fetched=signed or rules.allow(source),
        )

    @property
    def to_make(self) -> pictures.Rendition:
        return self.renditions[-1]

    @property
    def about(self) -> pictures.PictureId:
        return self.picture

    @property
    def host(self) -> PictureHost | None:
        return picture_host(self.source.host) if isinstance(self.source, pictures.SourceUrl) else None

    @property
    def can_change(self) -> bool:
        """Whether the source may show another picture under the same URL one day."""
        return isinstance(self.source, pictures.SourceUrl) and not (self.host and self.host.immutable)

    def changeable(self, picture: pictures.PictureId) -> "Changeable | None":
        """What is looked after when it is served; None where nobody may be asked, or nothing can change."""
        if not (self.can_change and self.may_be_fetched):
            return None
        return Changeable(picture, self)


@dataclass(frozen=True, slots=True)
class Named:
    """What a name shows, whatever picture that is, and the renditions that would do, as of WantedPicture."""

    name: pictures.Name
    renditions: tuple[pictures.Rendition, ...]
    negotiated: bool = False

    @property
    def about(self) -> pictures.Name:
        return self.name

    def changeable(self, picture: pictures.PictureId) -> "Changeable | None":
        return Changeable(picture, None)


@dataclass(frozen=True, slots=True)
class StoredPath:
    """A file by its immutable path: this very revision, or the way to the one that took its place."""

    picture: pictures.PictureId
    revision: pictures.RevisionId
    file_name: str
    signed: bool

    @property
    def about(self) -> pictures.PictureId:
        return self.picture

    @property
    def rendition(self) -> pictures.Rendition:
        return ORIGINAL if is_original(self.file_name) else pictures.Rendition.parse(self.file_name)

    def changeable(self, _picture: pictures.PictureId) -> "Changeable | None":
        return None


Asked = WantedPicture | Named | StoredPath


@dataclass(frozen=True, slots=True)
class Changeable:
    """A picture that is served, and that its source may have replaced."""

    picture: pictures.PictureId
    wanted: WantedPicture | None
    """None where it was asked for by name: then its manifest says where it comes from."""


def source_of(manifest: pictures.Manifest) -> pictures.Source:
    """Raise ValueError for a manifest that is none of ours."""
    try:
        return pictures.Upload.parse(manifest.source_url)
    except ValueError:
        return pictures.SourceUrl.parse(manifest.source_url)


def is_private(asked: Asked) -> bool:
    """Whether it must be signed, also where nothing else has to be."""
    match asked:
        case Named(name=name):
            return name.is_private
        case StoredPath(picture=picture) | WantedPicture(picture=picture):
            return is_private_picture(picture)


class NoPlainUrl(Problem):
    """What should be a source is none that anybody would be asked for."""


def by_source_url(
    url: URL, welcome: tuple[pictures.Format, ...], rules: pictures.HostRules, *, signed: bool
) -> WantedPicture:
    """`?url=`, and perhaps `size` and `format`, each once. Raise Problem for anything else."""
    return _by_source_url(url.raw_query_string, welcome, rules, signed)


@lru_cache(PARSED_AT_MOST)
def _by_source_url(
    raw_query: str, welcome: tuple[pictures.Format, ...], rules: pictures.HostRules, signed: bool
) -> WantedPicture:
    query = URL.build(query_string=raw_query, encoded=True).query
    once = {}
    for name in ("url", "size", "format"):
        values = query.getall(name, [])
        if len(values) > 1:
            raise Problem(HTTPStatus.BAD_REQUEST, f"Give {name} once.")
        once[name] = values[0] if values else None
    if once["url"] is None:
        raise Problem(HTTPStatus.BAD_REQUEST, "Say which picture: ?url=, percent-encoded.")
    if _cut_short(raw_query):
        raise Problem(
            HTTPStatus.BAD_REQUEST, "The URL is cut short by an & of its own: give ?url= percent-encoded."
        )
    size, format_ = once["size"] or "original", once["format"]
    try:
        source = rules.source(once["url"])
    except ValueError as error:
        raise NoPlainUrl(HTTPStatus.BAD_REQUEST, str(error)) from None
    try:
        renditions = renditions_of(size, format_, welcome)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    negotiated = format_ is None and size != "original"
    return WantedPicture.of(source, renditions, rules, signed=signed, negotiated=negotiated)


def _cut_short(raw_query: str) -> bool:
    """Whether a URL that is not encoded is followed by a parameter that is none of ours: most likely its own."""
    pairs = [pair.partition("=") for pair in raw_query.split("&")]
    names = [name for name, _, _ in pairs]
    at = names.index("url") if "url" in names else len(names)
    return any(name and name not in _PARAMETERS for name in names[at + 1 :]) and "://" in pairs[at][2]


def by_tmdb_path(
    size: str,
    file: str,
    base: str,
    welcome: tuple[pictures.Format, ...],
    rules: pictures.HostRules,
    *,
    signed: bool,
) -> WantedPicture:
    """TMDB's own paths: the original is theirs, the size ours, the format negotiated whatever the file is called."""
    if not _WIDTH_TOKEN.fullmatch(size) or not _TMDB_FILE.fullmatch(file):
        raise Problem(
            HTTPStatus.BAD_REQUEST, "The path is /t/p/{w342, original, …}/{file}, as at TMDB's picture host."
        )
    try:
        renditions = renditions_of(size, None, welcome)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    source = pictures.SourceUrl.parse(f"{base}/original/{file}")
    return WantedPicture.of(source, renditions, rules, signed=signed, negotiated=size != "original")


def by_stored_path(picture: str, revision: str, file_name: str, *, signed: bool) -> StoredPath:
    """Raise Problem for a path that no stored file can have."""
    try:
        size, _, extension = file_name.partition(".")
        if size != "original" or extension not in ORIGINAL_EXTENSIONS:
            pictures.Rendition(size, parse_format(extension))
        return StoredPath(parse_picture_id(picture), parse_revision_id(revision), file_name, signed)
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise Problem(HTTPStatus.BAD_REQUEST, f"The path is not one of a stored picture: {reason}.") from None


def renditions_of(
    size: str, format_: str | None, welcome: tuple[pictures.Format, ...]
) -> tuple[pictures.Rendition, ...]:
    """`welcome`: which formats would do, where none is named, the last to be made."""
    if format_ is not None:
        return (pictures.Rendition(size, parse_format(format_)),)
    if size == "original":
        return (pictures.Rendition(size, None),)
    return tuple(pictures.Rendition(size, choice) for choice in welcome)


_BARE_NUMBER = re.compile(r"[0-9]+", re.ASCII)


@lru_cache(PARSED_AT_MOST)
def by_name(kind: str, id_: str, role: str, file: str, welcome: tuple[pictures.Format, ...]) -> Named:
    """`series`, `tvdb:81189`, `poster`, `w342` or `w342.webp`. Raise Problem for anything else."""
    size, dot, extension = file.partition(".")
    format_ = extension if dot else None
    try:
        name = pictures.Name.parse(f"{kind}/{id_}/{role}")
        renditions = renditions_of(size, format_, welcome)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
    if name.kind in NUMBERED_KINDS and _BARE_NUMBER.fullmatch(id_):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"A bare number is the id of a {kind} in this library: say whose id it is, as in tmdb:603.",
        )
    return Named(name, renditions, negotiated=format_ is None and size != "original")


def by_bare_name(kind: str, id_: str, role: str, welcome: tuple[pictures.Format, ...]) -> Named:
    """`series`, `81189`, `poster`: a number is TVDB's. Raise Problem for anything else: there is nothing at such a path."""
    if kind in NUMBERED_KINDS and _BARE_NUMBER.fullmatch(id_):
        id_ = f"tvdb:{id_}"
    file = "thumbnail" if role == pictures.Role.THUMBNAIL else "original"
    try:
        return by_name(kind, id_, role, file, welcome)
    except Problem as problem:
        raise Problem(HTTPStatus.NOT_FOUND, problem.detail) from None


_KEYED_SIZES = {pictures.Role.POSTER: "w500", pictures.Role.FANART: "w1280", pictures.Role.LOGO: "w500"}


def by_key(whose: str, shown: str, id_: str, extension: str) -> tuple[Named, ...]:
    """`imdb`, `poster`, `tt0133093`, `jpg`, as `named_by_key` reads them. Raise Problem for anything else."""
    names = named_by_key(whose, shown, id_)
    if not names:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "An id is written tt0133093 at IMDb; at TMDB and TVDB movie-603 or series-1399.",
        )
    return tuple(
        Named(name, (pictures.Rendition(_KEYED_SIZES[name.role], parse_format(extension)),)) for name in names
    )


def by_file(form: FileForm, given: Sequence[str], url: URL) -> Named:
    """A file of somebody's library, by what its path has in the place of the form's placeholders, and `?size=` at most
    once. Raise Problem for anything else.

    The extension is the format of a rendition; an original is what it is, whatever it is called.
    """
    *others, id_, extension = given
    sizes = url.query.getall("size", [])
    if len(sizes) > 1:
        raise Problem(HTTPStatus.BAD_REQUEST, "Give size once.")
    size = (sizes[0] if sizes else "") or "original"
    try:
        for other in others:
            check_id(other)
        format_ = parse_format(extension)
        rendition = ORIGINAL if size == "original" else pictures.Rendition(size, format_)
        return Named(form.name(id_), (rendition,))
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from None
