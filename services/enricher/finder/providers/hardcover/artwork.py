"""Hardcover's pictures: covers of books, and portraits of their characters."""

from services.enricher.finder.artwork.choice import Candidate, Gallery
from services.enricher.finder.artwork.source import Asking, Records, Subject, Whose
from services.enricher.finder.metadata.outcomes import Found, Outcome
from services.enricher.finder.providers.hardcover.client import (
    FoundBook,
    FoundCharacter,
    Hardcover,
    parse_isbn,
)
from shared.pictures import Kind, Role

_TAKES = {Kind.BOOK: (Whose.ISBN, Whose.HARDCOVER), Kind.CHARACTER: (Whose.HARDCOVER,)}


class HardcoverSource:
    name = "hardcover"

    def __init__(self, hardcover: Hardcover, records: Records) -> None:
        self._hardcover = hardcover
        self._records = records

    def takes(self, kind: Kind) -> tuple[Whose, ...]:
        return _TAKES.get(kind, ())

    def knows(self, subject: Subject) -> bool:
        return subject.ids.has(*self.takes(subject.kind))

    async def look(self, subject: Subject, role: Role, asking: Asking) -> Outcome[Gallery]:  # noqa: ARG002 - there is one
        if subject.kind is Kind.BOOK:
            book = await self._book(subject, asking)
            return _gallery(book, Role.COVER, book.value.cover_image_url) if isinstance(book, Found) else book
        id_ = subject.ids.hardcover or 0
        character = await self._records.get(
            f"hardcover:character:{id_}",
            FoundCharacter,
            lambda turn: self._hardcover.character(id_, turn),
            asking,
        )
        if not isinstance(character, Found):
            return character
        return _gallery(character, Role.PORTRAIT, character.value.image_url)

    async def _book(self, subject: Subject, asking: Asking) -> Outcome[FoundBook]:
        """Raise ValueError for an ISBN that is none."""
        id_ = subject.ids.hardcover or 0
        if subject.ids.isbn:
            isbn = parse_isbn(subject.ids.isbn)
            return await self._records.get(
                f"hardcover:isbn:{isbn}",
                FoundBook,
                lambda turn: self._hardcover.book_by_isbn(isbn, turn),
                asking,
            )
        return await self._records.get(
            f"hardcover:book:{id_}", FoundBook, lambda turn: self._hardcover.book(id_, turn), asking
        )


def _gallery(of: Found[FoundBook] | Found[FoundCharacter], role: Role, url: str | None) -> Found[Gallery]:
    candidates = (
        [Candidate(source_url=url, provider=HardcoverSource.name, role=role, id=str(of.value.id))]
        if url
        else []
    )
    return Found(Gallery(candidates=tuple(candidates)), of.stale)
