"""What Hardcover is asked, in GraphQL, and what it sends. At most one search in a request, and few fields at its top."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from services.enricher.finder.providers.asking import Address, Provider
from services.enricher.finder.providers.budget import Turn
from services.enricher.finder.providers.errors import NothingThere, Refused
from services.enricher.finder.providers.models import Lenient, picture_url
from services.enricher.finder.providers.registry import BaseUrl
from shared import letters
from shared.settings import Settings

PROVIDER = "Hardcover"
MOST = 25
"""Of what a search finds; Hardcover's own usual number."""


class HardcoverSettings(Settings):
    api_key: SecretStr | None = Field(None, validation_alias="HARDCOVER_API_KEY")
    base_url: BaseUrl = Field(
        "https://api.hardcover.app/v1/graphql", validation_alias="HARDCOVER_GRAPHQL_URL"
    )


def hardcover_address(settings: HardcoverSettings) -> Address:
    """Hardcover shows its keys with `Bearer` before them."""
    key = settings.api_key.get_secret_value() if settings.api_key else ""
    return Address(settings.base_url, {"Authorization": f"Bearer {key.removeprefix('Bearer ').strip()}"})


class _Search(Lenient):
    ids: tuple[int, ...] = ()
    error: str = ""


class SearchAnswer(Lenient):
    search: _Search = Field(default_factory=_Search)


class HardcoverImage(Lenient):
    id: int = 0
    url: str = ""

    @property
    def plain_url(self) -> str | None:
        """None: there is none, or none that anybody could be asked for."""
        try:
            return picture_url(self.url) if self.url else None
        except ValueError:
            return None


class ImagesAnswer(Lenient):
    images: tuple[HardcoverImage, ...] = ()


class _Named(Lenient):
    name: str


class _Contribution(Lenient):
    author: _Named | None = None


class _Titled(Lenient):
    title: str


class _OfBook(Lenient):
    book: _Titled | None = None


class HardcoverCharacter(Lenient):
    id: int
    name: str
    biography: str = ""
    image_id: int | None = None
    book_characters: tuple[_OfBook, ...] = ()
    contributions: tuple[_Contribution, ...] = ()


class _InBook(Lenient):
    character: HardcoverCharacter | None = None


class HardcoverBook(Lenient):
    id: int
    title: str
    image: HardcoverImage | None = None
    contributions: tuple[_Contribution, ...] = ()
    book_characters: tuple[_InBook, ...] = ()


class CharactersAnswer(Lenient):
    characters: tuple[HardcoverCharacter, ...] = ()


class CharacterAnswer(Lenient):
    characters_by_pk: HardcoverCharacter


class BooksAnswer(Lenient):
    books: tuple[HardcoverBook, ...] = ()


class BookAnswer(Lenient):
    books_by_pk: HardcoverBook


class HardcoverEdition(Lenient):
    book_id: int
    image: HardcoverImage | None = None


class EditionsAnswer(Lenient):
    editions: tuple[HardcoverEdition, ...] = ()


class FoundCharacter(BaseModel):
    """A character of books. `confidence`: 1, for they are asked for by their ids."""

    model_config = ConfigDict(frozen=True)

    id: int
    name: str
    books: tuple[str, ...] = ()
    author_names: tuple[str, ...] = ()
    description: str | None = None
    image_url: str | None = None
    confidence: float = 1.0

    @classmethod
    def of(
        cls, said: HardcoverCharacter, images: Mapping[int, str], book: HardcoverBook | None = None
    ) -> Self:
        """`images`: URLs by their ids. `book`: the one that it was found in."""
        books = [one.book.title for one in said.book_characters if one.book] or ([book.title] if book else [])
        return cls(
            id=said.id,
            name=said.name,
            books=tuple(dict.fromkeys(books)),
            author_names=_authors(said.contributions or (book.contributions if book else ())),
            description=said.biography or None,
            image_url=images.get(said.image_id or 0),
        )


class FoundCharacters(BaseModel):
    model_config = ConfigDict(frozen=True)

    characters: tuple[FoundCharacter, ...]


class FoundBook(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    title: str
    author_names: tuple[str, ...] = ()
    cover_image_url: str | None = None
    characters: tuple[str, ...] = Field((), description="Their names")
    confidence: float = 1.0

    @classmethod
    def of(cls, said: HardcoverBook, cover: HardcoverImage | None = None) -> Self:
        """`cover`: of the very edition, where one was asked for."""
        cover_url = (cover and cover.plain_url) or (said.image and said.image.plain_url) or None
        return cls(
            id=said.id,
            title=said.title,
            author_names=_authors(said.contributions),
            cover_image_url=cover_url,
            characters=tuple(one.character.name for one in said.book_characters if one.character),
        )


class FoundBooks(BaseModel):
    model_config = ConfigDict(frozen=True)

    books: tuple[FoundBook, ...]


SEARCH = """query Search($query: String!, $type: String!, $limit: Int!) {
  search(query: $query, query_type: $type, per_page: $limit, page: 1) { ids error }
}"""
_CHARACTER = """id name biography image_id
    book_characters(limit: 50) { book { title } }
    contributions(limit: 10) { author { name } }"""
_BOOK = """id title image { id url }
    contributions(limit: 10) { author { name } }
    book_characters(limit: 100, order_by: {position: asc}) { character { id name biography image_id } }"""
CHARACTERS = f"""query Characters($ids: [bigint!]!) {{
  characters(where: {{id: {{_in: $ids}}}}) {{ {_CHARACTER} }}
}}"""
CHARACTER = f"""query Character($id: bigint!) {{
  characters_by_pk(id: $id) {{ {_CHARACTER} }}
}}"""
BOOKS = f"""query Books($ids: [Int!]!) {{
  books(where: {{id: {{_in: $ids}}}}) {{ {_BOOK} }}
}}"""
BOOK = f"""query Book($id: Int!) {{
  books_by_pk(id: $id) {{ {_BOOK} }}
}}"""
IMAGES = """query Images($ids: [bigint!]!) {
  images(where: {id: {_in: $ids}}) { id url }
}"""
EDITIONS = """query Editions($ten: String!, $thirteen: String!) {
  editions(
    where: {_or: [{isbn_10: {_eq: $ten}}, {isbn_13: {_eq: $thirteen}}]}
    order_by: {users_count: desc}
    limit: 1
  ) { book_id image { id url } }
}"""


class Hardcover:
    """Raises ProviderError. What takes several requests takes them from the same turn."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def search_characters(self, query: str, limit: int, turn: Turn) -> FoundCharacters:
        """The best first."""
        ids = await self._search(query, "Character", limit, turn)
        if not ids:
            return FoundCharacters(characters=())
        said = await self._provider.graphql(CHARACTERS, {"ids": ids}, turn, CharactersAnswer)
        characters = _in_order(ids, {one.id: one for one in said.characters})
        images = await self._images(characters, turn)
        return FoundCharacters(characters=tuple(FoundCharacter.of(one, images) for one in characters))

    async def characters_of_book(self, title: str, author: str | None, turn: Turn) -> FoundCharacters:
        """Of the first book that a search finds of this very title, with or without its subtitle, by this author. Raise
        NothingThere where there is none.
        """
        for book in await self._books(f"{title} {author or ''}".strip(), MOST, turn):
            if _is(book, title, author):
                characters = [one.character for one in book.book_characters if one.character]
                images = await self._images(characters, turn)
                return FoundCharacters(
                    characters=tuple(FoundCharacter.of(one, images, book) for one in characters)
                )
        raise NothingThere(f"{PROVIDER} knows no such book.")

    async def character(self, id_: int, turn: Turn) -> FoundCharacter:
        said = await self._provider.graphql(CHARACTER, {"id": id_}, turn, CharacterAnswer)
        return FoundCharacter.of(said.characters_by_pk, await self._images([said.characters_by_pk], turn))

    async def search_books(self, query: str, limit: int, turn: Turn) -> FoundBooks:
        """The best first."""
        return FoundBooks(books=tuple(FoundBook.of(one) for one in await self._books(query, limit, turn)))

    async def book(self, id_: int, turn: Turn) -> FoundBook:
        said = await self._provider.graphql(BOOK, {"id": id_}, turn, BookAnswer)
        return FoundBook.of(said.books_by_pk)

    async def book_by_isbn(self, isbn: str, turn: Turn) -> FoundBook:
        """`isbn`: as `parse_isbn` has it. With the cover of this edition, or else the book's."""
        numbers = {"ten": _ten(isbn), "thirteen": isbn}
        said = await self._provider.graphql(EDITIONS, numbers, turn, EditionsAnswer)
        if not said.editions:
            raise NothingThere(f"{PROVIDER} knows no such book.")
        edition = said.editions[0]
        book = await self._provider.graphql(BOOK, {"id": edition.book_id}, turn, BookAnswer)
        return FoundBook.of(book.books_by_pk, edition.image)

    async def _books(self, query: str, limit: int, turn: Turn) -> list[HardcoverBook]:
        ids = await self._search(query, "Book", limit, turn)
        if not ids:
            return []
        said = await self._provider.graphql(BOOKS, {"ids": ids}, turn, BooksAnswer)
        return _in_order(ids, {one.id: one for one in said.books})

    async def _search(self, query: str, type_: str, limit: int, turn: Turn) -> list[int]:
        asked = {"query": query, "type": type_, "limit": limit}
        found = (await self._provider.graphql(SEARCH, asked, turn, SearchAnswer)).search
        if found.error:
            raise Refused(f"{PROVIDER} could not search for that.")
        return list(dict.fromkeys(found.ids))[:limit]

    async def _images(self, characters: Iterable[HardcoverCharacter], turn: Turn) -> Mapping[int, str]:
        """A character has no more than a picture's id: their URLs by these, of all in one request."""
        ids = list(dict.fromkeys(one.image_id for one in characters if one.image_id))
        if not ids:
            return {}
        said = await self._provider.graphql(IMAGES, {"ids": ids}, turn, ImagesAnswer)
        return {image.id: url for image in said.images if (url := image.plain_url)}


def _authors(contributions: Sequence[_Contribution]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.author.name for one in contributions if one.author))


_Said = TypeVar("_Said", bound=Lenient)


def _in_order(ids: Sequence[int], by_id: Mapping[int, _Said]) -> list[_Said]:
    return [by_id[id_] for id_ in ids if id_ in by_id]


def _is(book: HardcoverBook, title: str, author: str | None) -> bool:
    whole, before_subtitle = _plain(book.title), _plain(book.title.partition(":")[0])
    if _plain(title) not in (whole, before_subtitle):
        return False
    return author is None or _plain(author) in {_plain(name) for name in _authors(book.contributions)}


def _plain(text: str) -> str:
    """Letters and digits alone, in one case: how titles and names are compared."""
    return "".join(letters.words_in(letters.bare(text))).replace("_", "")


_AROUND_ISBN = re.compile(r"^\s*(?:URN:)?ISBN(?:-?1[03](?=[:\s]))?\s*:?|[\s\u2010-\u2015\u2212-]")
"""What people and shops write before an ISBN, and between its digits."""


def parse_isbn(text: str) -> str:
    """The thirteen digits of an ISBN of ten or thirteen. Raise ValueError for what is none, or has a wrong check digit."""
    digits = _AROUND_ISBN.sub("", unicodedata.normalize("NFKC", text).upper())
    if re.fullmatch(r"[0-9]{9}[0-9X]", digits, re.ASCII):
        if _check_of_ten(digits[:9]) == digits[9]:
            return f"978{digits[:9]}{_check_of_thirteen(f'978{digits[:9]}')}"
    elif re.fullmatch(r"97[89][0-9]{10}", digits, re.ASCII) and _check_of_thirteen(digits[:12]) == digits[12]:
        return digits
    raise ValueError("An ISBN has 10 or 13 digits, of which the last is the check digit.")


def _ten(isbn: str) -> str:
    """The same of ten digits; those of 979 have none, and are called by their own."""
    return f"{isbn[3:12]}{_check_of_ten(isbn[3:12])}" if isbn.startswith("978") else isbn


def _check_of_ten(nine: str) -> str:
    total = sum((10 - place) * int(digit) for place, digit in enumerate(nine))
    return "0123456789X"[-total % 11]


def _check_of_thirteen(twelve: str) -> str:
    return str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(twelve)) % 10)
