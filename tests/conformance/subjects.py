"""Pictures that tests are about: where each comes from, and every way to ask for it."""

from dataclasses import dataclass
from urllib.parse import quote

from shared.pictures import Kind, Name, PictureId, RevisionId, Role, SourceUrl

BY_NAME = "/api/v1/images/"
FORMS = ("?url=", "/t/p/", "/p/", BY_NAME)


@dataclass(frozen=True)
class Subject:
    """A picture at the stand-in for TMDB's host, so that it can be asked for in every form."""

    source: SourceUrl

    @property
    def picture(self) -> PictureId:
        return self.source.picture

    @property
    def path(self) -> str:
        """Where the picture host has it."""
        return self.source.url.path

    @property
    def name(self) -> Name:
        """What it shows, once it is stored."""
        return Name(Kind.MOVIE, f"test:{self.picture}", Role.POSTER)

    def by_name(self, file: str) -> str:
        """`w342`, `small.webp`, `original`."""
        return f"{BY_NAME}{self.name}/{file}"

    def by_url(self, size: str | None = None, format_: str | None = None) -> str:
        return by_url(str(self.source), size, format_)

    def by_tmdb_path(self, token: str = "original") -> str:
        return f"/t/p/{token}/{self.path.rpartition('/')[2]}"

    def by_stored_path(self, revision: RevisionId, file_name: str) -> str:
        return f"/p/{self.picture}/{revision}/{file_name}"


def by_url(source: str, size: str | None = None, format_: str | None = None) -> str:
    query = {"url": quote(source, safe=""), "size": size, "format": format_}
    return "/api/images/proxy?" + "&".join(f"{name}={value}" for name, value in query.items() if value)


@dataclass(frozen=True)
class Stored:
    """A subject that is on the volume."""

    subject: Subject
    revision: RevisionId
    files: dict[str, bytes]

    def target(self, form: str, file_name: str) -> str:
        """A stored file in one of the forms. `/t/p/` chooses by Accept, and has width tokens only."""
        size, _, extension = file_name.partition(".")
        match form:
            case "?url=":
                return self.subject.by_url(size, None if size == "original" else extension)
            case "/t/p/":
                return self.subject.by_tmdb_path(size)
            case "/api/v1/images/":
                return self.subject.by_name("original" if size == "original" else file_name)
            case _:
                return self.subject.by_stored_path(self.revision, file_name)
