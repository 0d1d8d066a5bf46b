"""What an operator can set about the library."""

from pydantic import Field

from shared.settings import CommaList, Settings


class LibrarySettings(Settings):
    roots: CommaList = Field((), validation_alias="LIBRARY_ROOTS")
    """The folders that may be scanned, with all below them."""
