"""Pictures as pages show them: their URLs with us, and what is known of what is stored."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from urllib.parse import quote

from cachetools import TTLCache
from pydantic import BaseModel, ConfigDict, Field
from yarl import URL

from shared.http.signatures import EXPIRY, Signatures
from shared.pictures import Format, Name, PictureId, RevisionId, Role, picture_id, public_paths
from shared.pictures.public_paths import PUBLIC_PATHS, PublicPaths
from shared.settings import KeyList, Settings
from shared.volume import Pictures, Revision, VolumeAway

_ORIGIN = r"^$|^https?://[^\s?#]+[^\s?#/]$"


class PictureUrlSettings(Settings):
    public_url: str = Field(
        "", validation_alias="PUBLIC_URL", pattern=_ORIGIN, examples=["https://pictures.example/onesheet"]
    )
    """Origin and sub-path that we are seen under; empty: URLs are handed out without an origin."""
    cdn_base_url: str = Field(
        "", validation_alias="CDN_BASE_URL", pattern=_ORIGIN, examples=["https://pictures.example/onesheet"]
    )
    """What stands before pictures' URLs instead of `public_url`."""
    signing_keys: KeyList = Field((), validation_alias="SIGNING_KEYS")
    upload_signing_keys: KeyList = Field((), validation_alias="UPLOAD_SIGNING_KEYS")

    @property
    def before_pictures(self) -> str:
        return self.cdn_base_url or self.public_url


REMEMBERED_AT_MOST = 20_000
known_id = lru_cache(REMEMBERED_AT_MOST)(picture_id)


class PictureUrls:
    def __init__(self, settings: PictureUrlSettings, paths: PublicPaths = PUBLIC_PATHS) -> None:
        self._paths = paths
        self._by_source = paths.source.pattern
        self._stored = paths.stored
        self._before = settings.before_pictures
        self._signatures = Signatures(settings.signing_keys)
        self._of_uploads = Signatures(settings.upload_signing_keys or settings.signing_keys)
        self.by_source = lru_cache(REMEMBERED_AT_MOST)(self._by_source_url)
        self.by_name = lru_cache(REMEMBERED_AT_MOST)(self._by_name_url)

    def _by_source_url(self, source_url: str, size: str | None = None) -> str:
        """Without a size the original; the format is negotiated. In the order that nginx reads fastest."""
        parameters = [("url", source_url)]
        if size:
            parameters.append(("size", size))
        if self._signatures.required:
            return self._before + self._signatures.sign(self._by_source, parameters)
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters)
        return f"{self._before}{self._by_source}?{query}"

    def _by_name_url(self, name: Name, size: str, until: str | None = None) -> str:
        """Where what a name shows is, in this size. `until`: its signature counts no longer, as `exp` says it."""
        return self._before + self._signed(self._paths.of_name(name, size), until)

    def stored(self, picture: PictureId, revision: RevisionId, file_name: str) -> str:
        """The immutable path of a file that is there."""
        path = self._stored.path(picture=picture, revision=revision, file=file_name)
        return self._before + self._signed(path)

    @property
    def signs_uploads(self) -> bool:
        """Whether private ones can be handed out."""
        return self._of_uploads.required

    def of_upload(self, id_: str, until_s: int | None) -> str:
        """Where whoever knows it has it; with `until_s` (since the epoch) signed for so long, as private ones must be."""
        path = self._paths.upload.path(id=id_, format=Format.JPG)
        if until_s is not None:
            path = self._of_uploads.sign(path, [(EXPIRY, str(until_s))])
        return self._before + path

    def of_video(self, name: str, until_s: int | None = None) -> str:
        """The same of a video, by its UUID."""
        path = public_paths.video_path(name)
        if until_s is not None:
            path = self._of_uploads.sign(path, [(EXPIRY, str(until_s))])
        return self._before + path

    def path_of_upload(self, id_: str) -> str:
        """The same without what stands before it."""
        return self._paths.upload.path(id=id_, format=Format.JPG)

    def of_file(self, path: str) -> str:
        """A file of somebody's library; the path as it is before anything is escaped."""
        return self._before + (self._signed(path) if self._signatures.required else quote(path, safe="/"))

    def whole(self, path: str, seen: str) -> str:
        """A path of pictures as a client writes it that knows us as `seen`, unless it is set what stands before it."""
        before = self._before or seen
        return f"{before}{path}"

    def check(self, path: str, parameters: Mapping[str, str], *, now_s: float) -> None:
        """Raise BadSignature where pictures' URLs must be signed, and this one is not."""
        if self._signatures.required:
            self._signatures.check(URL.build(path=path, query=parameters), now_s=now_s)

    def _signed(self, path: str, until: str | None = None) -> str:
        if not self._signatures.required:
            return path
        return self._signatures.sign(path, [(EXPIRY, until)] if until else [])


LOOK_AGAIN_S = 60.0
"""How long a lost event can make us show a picture as it was."""

_SERVED_EVERYWHERE = (Format.WEBP, Format.JPG, Format.PNG)
"""What an immutable path may name without asking the browser, the preferred first."""


class ShownPicture(BaseModel):
    """One picture. Width and height are the original's in pixels, color its average, thumbhash a blurred preview in
    base64 (https://evanw.github.io/thumbhash/): all absent while it has never been stored.
    """

    model_config = ConfigDict(frozen=True)

    url: str = Field(description="In the size a page usually shows it in")
    srcset: str = Field(description="The same in all widths, for <img srcset>")
    width: int | None = None
    height: int | None = None
    color: str | None = None
    thumbhash: str | None = None


@dataclass(frozen=True, slots=True)
class Widths:
    """The widths a role is offered in, TMDB's own for such pictures, and the usual one."""

    usual: int
    offered: tuple[int, ...]


_PORTRAIT = Widths(342, (92, 154, 185, 342, 500, 780))
_LANDSCAPE = Widths(780, (300, 780, 1280))
_LOGO = Widths(300, (45, 92, 154, 185, 300, 500))
_FACE = Widths(185, (45, 92, 185, 342))
_STILL = Widths(300, (92, 185, 300, 780))
_WIDTHS = {
    Role.FANART: _LANDSCAPE,
    Role.BANNER: _LANDSCAPE,
    Role.THUMBNAIL: _STILL,
    Role.STILL: _STILL,
    Role.LOGO: _LOGO,
    Role.PROFILE: _FACE,
    Role.AVATAR: _FACE,
}


def usual_size(role: Role) -> str:
    """The width token that pages usually show pictures of this role in."""
    return f"w{_WIDTHS.get(role, _PORTRAIT).usual}"


class ShownPictures:
    def __init__(self, pictures: Pictures, urls: PictureUrls) -> None:
        self._pictures = pictures
        self._urls = urls
        self._shown: TTLCache[tuple[PictureId, Role], ShownPicture] = TTLCache(
            REMEMBERED_AT_MOST, ttl=LOOK_AGAIN_S
        )
        self._events = 0

    async def of(self, source_url: str, role: Role) -> ShownPicture:
        key = known_id(source_url), role
        try:
            shown = self._shown[key]
        except KeyError:
            events = self._events
            try:
                revision, is_known = await self._pictures.current(key[0]), True
            except VolumeAway:
                revision, is_known = None, False
            shown = self._shown_as(partial(self._urls.by_source, source_url), role, revision)
            if is_known and events == self._events:
                self._shown[key] = shown
        return shown

    async def ahead(self, wanted: Iterable[tuple[Role, str]]) -> None:
        """These source URLs' pictures will be wanted, one after the other."""
        ids = ((known_id(url), role) for role, url in wanted)
        await self._pictures.ahead(picture for picture, role in ids if (picture, role) not in self._shown)

    async def of_name(self, name: Name, picture: PictureId) -> ShownPicture | None:
        """The picture that the name points at, as it is stored; None where it is not."""
        known = self._shown.get((picture, name.role))
        if known and known.width is not None:
            return known
        revision = await self._pictures.current(picture)
        if revision is None:
            return None
        source = revision.manifest.source_url
        if not source.startswith("http"):  # an upload, which nobody can ask for but by its name
            return self._shown_as(lambda size: self._urls.by_name(name, size), name.role, revision)
        return await self.of(source, name.role)

    def forget(self, picture: PictureId) -> None:
        """Something happened to it, also for who looks at this moment."""
        self._events += 1
        for role in Role:
            self._shown.pop((picture, role), None)

    def _shown_as(self, unmade: "_Unmade", role: Role, revision: Revision | None) -> ShownPicture:
        widths = _WIDTHS.get(role, _PORTRAIT)
        original = revision.manifest.original if revision else None
        placeholder = revision.manifest.placeholder if revision else None
        candidates = [
            f"{self._url(unmade, token, revision)} {real}w"
            for token, real in _told_apart(widths, original.width if original else None)
        ]
        return ShownPicture(
            url=self._url(unmade, widths.usual, revision),
            srcset=", ".join(candidates),
            width=original.width if original else None,
            height=original.height if original else None,
            color=placeholder.color if placeholder else None,
            thumbhash=placeholder.thumbhash if placeholder else None,
        )

    def _url(self, unmade: "_Unmade", width: int, revision: Revision | None) -> str:
        if revision:
            for format_ in _SERVED_EVERYWHERE:
                file_name = f"w{width}.{format_}"
                if file_name in revision.files:
                    return self._urls.stored(revision.picture, revision.id, file_name)
        return unmade(f"w{width}")


_Unmade = Callable[[str], str]
"""The URL of a size that may have to be made first."""


def _told_apart(widths: Widths, original: int | None) -> Iterator[tuple[int, int]]:
    """Each width with the one it really has, for nothing is enlarged: the first that the original does not fill is
    the last.
    """
    for width in widths.offered:
        if original is not None and width >= original:
            yield width, original
            return
        yield width, width
